//! Commands that change entities.

use bytes::Bytes;
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKind;
use mon_types::entity::EntityName;
use mon_types::release::Release;

use super::{AuthService, caps, new_entity, policy, read_keyring, render};
use crate::effect::CommandReply;
use crate::operation::{Answer, Command, Errno, Prepared};
use crate::service::Preparing;

type Refusal = (Errno, String);

pub(super) fn prepare(service: &mut AuthService, cx: &mut Preparing<'_>, command: &Command) -> Prepared {
    match change(service, cx, command) {
        Ok((changed, reply)) => Prepared { changed, answer: Answer::Command(reply) },
        Err((errno, text)) => Prepared::unchanged(CommandReply::refused(errno, text)),
    }
}

fn change(
    service: &mut AuthService,
    cx: &mut Preparing<'_>,
    command: &Command,
) -> Result<(bool, CommandReply), Refusal> {
    let talkative = cx.around.identity.release < Release::Reef;
    match command.prefix.as_str() {
        "auth import" => return import(service, cx, command),
        "auth wipe-rotating-service-keys" => {
            service.wipe_service_secrets(cx);
            return Ok((true, CommandReply::done("wiped rotating service keys!")));
        }
        _ => {}
    }
    let text = command.arguments.text("entity").unwrap_or_default();
    let name: EntityName = text.parse().map_err(|_| (Errno::EINVAL, "bad entity name".to_owned()))?;
    let known = if name == EntityName::mon() {
        Some(cx.around.settings.mon_key.clone())
    } else {
        service.current().secrets.get(&name).cloned()
    };
    match command.prefix.as_str() {
        "auth add" => add(service, cx, command, name, known),
        "auth get-or-create" | "auth get-or-create-key" => get_or_create(service, cx, command, name, known),
        "auth caps" => {
            let mut auth = existing(&name, known)?;
            let given = given_caps(command)?;
            auth.caps.clear();
            given.iter().for_each(|(service, text)| auth.set_caps(service, text));
            let said = format!("updated caps for {name}");
            let output = match cx.around.identity.release {
                Release::Pacific | Release::Quincy | Release::Reef | Release::Squid => Bytes::new(),
                Release::Tentacle => render::keyring(command.arguments.format(), &name, &auth),
            };
            service.set(&cx.around, changeable(name)?, auth);
            Ok((true, CommandReply::output(output).saying(said)))
        }
        "auth rm" | "auth del" => {
            if name != EntityName::mon() && known.is_none() {
                let text = if talkative { format!("entity {name} does not exist") } else { String::new() };
                return Ok((false, CommandReply::done(text)));
            }
            service.remove(&cx.around, changeable(name)?);
            Ok((true, CommandReply::done(if talkative { "updated" } else { "" })))
        }
        "auth rotate" => {
            let mut auth = existing(&name, known)?;
            let kind = key_kind(cx, command)?;
            auth.key = new_entity(cx, kind).key;
            auth.pending_key = None;
            let output = render::keyring(command.arguments.format(), &name, &auth);
            service.set(&cx.around, changeable(name)?, auth);
            Ok((true, CommandReply::output(output)))
        }
        _ => pending(service, cx, command, name, known),
    }
}

fn existing(name: &EntityName, known: Option<EntityAuth>) -> Result<EntityAuth, Refusal> {
    known.ok_or_else(|| (Errno::ENOENT, format!("entity {name} does not exist")))
}

/// The monitors' own key lives in their keyring files; the service cannot change it.
fn changeable(name: EntityName) -> Result<EntityName, Refusal> {
    if name == EntityName::mon() {
        let text = "the key of mon. is in the keyring file of each monitor: change it there";
        return Err((Errno::EINVAL, text.into()));
    }
    Ok(name)
}

fn given_caps(command: &Command) -> Result<Vec<(String, String)>, Refusal> {
    caps::pairs(&command.arguments.texts("caps")).map_err(|error| (Errno::EINVAL, error.to_string()))
}

/// The type for a new key: as asked, or as the policy prefers, if the policy has it.
fn key_kind(cx: &Preparing<'_>, command: &Command) -> Result<CryptoKind, Refusal> {
    let policy = policy(&cx.around);
    let kind = match command.arguments.text("key_type") {
        None | Some("") => policy.preferred.0,
        Some(word) => match word.parse() {
            Ok(CryptoKind::None) | Err(_) => {
                return Err((Errno::EINVAL, format!("invalid key type: {word}: use aes or aes256k")));
            }
            Ok(kind) => kind,
        },
    };
    if !policy.allows(kind) && !cx.around.settings.allow_insecure_key {
        let text = format!("keys of type {kind} are not allowed: see 'mon set auth_allowed_ciphers'");
        return Err((Errno::EINVAL, text));
    }
    Ok(kind)
}

/// The first service whose caps differ from those that were given.
fn mismatch(auth: &EntityAuth, given: &[(String, String)]) -> Option<String> {
    let differs = |(service, text): &&(String, String)| {
        !auth.caps_text().any(|(known, has)| known == *service && has == *text)
    };
    given.iter().find(differs).map(|(service, _)| service.clone())
}

fn add(
    service: &mut AuthService,
    cx: &mut Preparing<'_>,
    command: &Command,
    name: EntityName,
    known: Option<EntityAuth>,
) -> Result<(bool, CommandReply), Refusal> {
    let name = changeable(name)?;
    let mut given = given_caps(command)?;
    let mut from_file = None;
    if !command.input.is_empty() {
        let keyring = read_keyring(&command.input).map_err(|text| (Errno::EINVAL, text))?;
        let Some(auth) = keyring.entities.get(&name).cloned() else {
            return Err((Errno::EINVAL, format!("key for {name} not found in provided keyring")));
        };
        let file_caps: Vec<_> = auth.caps_text().map(|(s, t)| (s.to_owned(), t)).collect();
        if !file_caps.is_empty() && !given.is_empty() {
            let text = "caps cannot be given on the command line and in the keyring";
            return Err((Errno::EINVAL, text.into()));
        }
        for (service, text) in &file_caps {
            caps::check(service, text).map_err(|error| (Errno::EINVAL, error.to_string()))?;
        }
        if given.is_empty() {
            given = file_caps;
        }
        from_file = Some(auth.key);
    }
    if let Some(known) = known {
        if let Some(service) = mismatch(&known, &given) {
            let text = format!("entity {name} exists but cap {service} does not match");
            return Err((Errno::EINVAL, text));
        }
        if from_file.is_some_and(|key| key != known.key) {
            return Err((Errno::EINVAL, format!("entity {name} exists but key does not match")));
        }
        return Ok((false, CommandReply::default()));
    }
    let mut auth = match from_file {
        Some(key) => EntityAuth { key, ..EntityAuth::default() },
        None => {
            let kind = key_kind(cx, command)?;
            new_entity(cx, kind)
        }
    };
    given.iter().for_each(|(service, text)| auth.set_caps(service, text));
    let said = format!("added key for {name}");
    service.set(&cx.around, name, auth);
    Ok((true, CommandReply::done(said)))
}

fn get_or_create(
    service: &mut AuthService,
    cx: &mut Preparing<'_>,
    command: &Command,
    name: EntityName,
    known: Option<EntityAuth>,
) -> Result<(bool, CommandReply), Refusal> {
    let given = given_caps(command)?;
    let form = command.arguments.format();
    let key_only = command.prefix == "auth get-or-create-key";
    let output = |auth: &EntityAuth| {
        CommandReply::output(match key_only {
            true => render::key(form, &auth.key, "\n"),
            false => render::keyring_without_caps(form, &name, auth),
        })
    };
    if let Some(known) = known {
        if let Some(service) = mismatch(&known, &given) {
            let text = format!("key for {name} exists but cap {service} does not match");
            return Err((Errno::EINVAL, text));
        }
        return Ok((false, output(&known)));
    }
    let kind = key_kind(cx, command)?;
    let mut auth = new_entity(cx, kind);
    given.iter().for_each(|(service, text)| auth.set_caps(service, text));
    let reply = output(&auth);
    service.set(&cx.around, name, auth);
    Ok((true, reply))
}

/// The second key of a rotation that services take part in.
fn pending(
    service: &mut AuthService,
    cx: &mut Preparing<'_>,
    command: &Command,
    name: EntityName,
    known: Option<EntityAuth>,
) -> Result<(bool, CommandReply), Refusal> {
    let mut auth = existing(&name, known)?;
    let name = changeable(name)?;
    match command.prefix.as_str() {
        "auth get-or-create-pending" => {
            let form = command.arguments.format();
            let changed = auth.pending().is_none();
            if changed {
                let kind = key_kind(cx, command)?;
                auth.pending_key = Some(new_entity(cx, kind).key);
            }
            let bare = EntityAuth { caps: Default::default(), ..auth.clone() };
            let reply = CommandReply::output(render::keyring(form, &name, &bare));
            if changed {
                service.set(&cx.around, name, auth);
            }
            Ok((changed, reply))
        }
        "auth commit-pending" => match auth.pending().cloned() {
            None => Ok((false, CommandReply::done("no pending key"))),
            Some(key) => {
                auth.key = key;
                auth.pending_key = None;
                service.set(&cx.around, name, auth);
                Ok((true, CommandReply::default()))
            }
        },
        _ => {
            let changed = auth.pending().is_some();
            if changed {
                auth.pending_key = None;
                service.set(&cx.around, name, auth);
            }
            Ok((changed, CommandReply::default()))
        }
    }
}

fn import(
    service: &mut AuthService,
    cx: &Preparing<'_>,
    command: &Command,
) -> Result<(bool, CommandReply), Refusal> {
    if command.input.is_empty() {
        return Err((Errno::EINVAL, "auth import: no data supplied: give a keyring with -i".into()));
    }
    let keyring = read_keyring(&command.input).map_err(|text| (Errno::EINVAL, text))?;
    for (name, auth) in &keyring.entities {
        for (service, text) in auth.caps_text() {
            caps::check(service, &text).map_err(|error| (Errno::EINVAL, format!("{name}: {error}")))?;
        }
        if auth.key.is_empty() {
            return Err((Errno::EINVAL, format!("{name} has no key")));
        }
    }
    let mut changed = false;
    for (name, auth) in keyring.entities {
        if name != EntityName::mon() {
            service.set(&cx.around, name, auth);
            changed = true;
        }
    }
    let said = if cx.around.identity.release < Release::Reef { "imported keyring" } else { "" };
    Ok((changed, CommandReply::done(said)))
}
