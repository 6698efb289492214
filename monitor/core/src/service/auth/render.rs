//! Commands that look at keys, and the three forms in which entities are printed.

use std::fmt::Write as _;

use bytes::Bytes;
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::keyring::Keyring;
use mon_types::release::Release;
use serde_json::{Map, Value, json};

use super::AuthService;
use crate::command::arguments::Format;
use crate::command::format;
use crate::effect::CommandReply;
use crate::operation::{Command, Errno};
use crate::service::Around;
use crate::stamp;

pub(super) fn answer(service: &AuthService, around: &Around<'_>, command: &Command) -> CommandReply {
    let form = command.arguments.format();
    let talkative = around.identity.release < Release::Reef;
    let find = |name: &EntityName| -> Option<EntityAuth> {
        if *name == EntityName::mon() {
            return Some(around.settings.mon_key.clone());
        }
        service.keys.secrets.get(name).cloned()
    };
    match command.prefix.as_str() {
        "auth ls" | "auth list" => {
            let reply = CommandReply::output(format::text_or_json(
                form,
                || listing(service),
                || json!({ "auth_dump": service.keys.secrets.iter().map(|(n, a)| entity(n, a)).collect::<Vec<_>>() }),
            ));
            if talkative { reply.saying("installed auth entries:\n") } else { reply }
        }
        "auth dump-keys" => match form {
            Format::Plain => CommandReply::refused(Errno::EINVAL, "this has no plain form: add -f json"),
            Format::Json | Format::JsonPretty => CommandReply::output(format::json(form, &dump(service))),
        },
        "auth export" if command.arguments.text("entity").is_none() => {
            let all = Keyring { entities: service.keys.secrets.clone() };
            let list = || all.entities.iter().map(|(n, a)| entity(n, a)).collect();
            CommandReply::output(format::text_or_json(form, || all.to_text().to_string(), list))
        }
        _ => {
            let text = command.arguments.text("entity").unwrap_or_default();
            let Ok(name) = text.parse::<EntityName>() else {
                return CommandReply::refused(Errno::EINVAL, format!("invalid entity_auth {text}"));
            };
            let Some(auth) = find(&name) else {
                let text = match command.prefix.as_str() {
                    "auth get" => format!("failed to find {name} in keyring"),
                    "auth export" => format!("no key for {name}"),
                    _ => format!("don't have {name}"),
                };
                return CommandReply::refused(Errno::ENOENT, text);
            };
            match command.prefix.as_str() {
                "auth get-key" | "auth print-key" | "auth print_key" => {
                    CommandReply::output(key(form, &auth.key, ""))
                }
                "auth get" if talkative => CommandReply::output(keyring(form, &name, &auth))
                    .saying(format!("exported keyring for {name}")),
                _ => CommandReply::output(keyring(form, &name, &auth)),
            }
        }
    }
}

/// A key alone.
pub(super) fn key(form: Format, key: &CryptoKey, end: &str) -> Bytes {
    let text = key.to_base64();
    format::text_or_json(form, || format!("{}{end}", text.as_str()), || json!({ "key": text.as_str() }))
}

/// An entity as keyring text or JSON.
pub(super) fn keyring(form: Format, name: &EntityName, auth: &EntityAuth) -> Bytes {
    let text = || Keyring::of(name.clone(), auth.clone()).to_text().to_string();
    format::text_or_json(form, text, || json!([entity(name, auth)]))
}

/// The same without caps in the text form, as `get-or-create` prints it.
pub(super) fn keyring_without_caps(form: Format, name: &EntityName, auth: &EntityAuth) -> Bytes {
    let bare = EntityAuth { caps: Default::default(), ..auth.clone() };
    let text = || Keyring::of(name.clone(), bare).to_text().to_string();
    format::text_or_json(form, text, || json!([entity(name, auth)]))
}

fn entity(name: &EntityName, auth: &EntityAuth) -> Value {
    let mut out = Map::new();
    out.insert("entity".into(), name.to_string().into());
    out.insert("key".into(), auth.key.to_base64().as_str().into());
    if let Some(pending) = auth.pending() {
        out.insert("pending_key".into(), pending.to_base64().as_str().into());
    }
    let caps: Map<_, _> =
        auth.caps_text().map(|(service, text)| (service.to_owned(), Value::from(text))).collect();
    out.insert("caps".into(), caps.into());
    out.into()
}

fn listing(service: &AuthService) -> String {
    let mut out = String::new();
    for (name, auth) in &service.keys.secrets {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}\n\tkey: {}", auth.key.to_base64().as_str());
        if let Some(pending) = auth.pending() {
            let _ = writeln!(out, "\tpending key: {}", pending.to_base64().as_str());
        }
        for (service, text) in auth.caps_text() {
            let _ = writeln!(out, "\tcaps: [{service}] {text}");
        }
    }
    out
}

/// Key types and times, without secrets.
fn dump(service: &AuthService) -> Value {
    let about = |key: &CryptoKey| {
        json!({
            "type": key.kind() as u16,
            "type_str": key.kind().as_str(),
            "created": stamp::text(key.created()),
        })
    };
    let secrets = service.keys.secrets.iter().map(|(name, auth)| {
        let caps =
            auth.caps_text().map(|(service, text)| json!({"service_name": service, "access_spec": text}));
        json!({
            "entity": {"type": name.kind as u32, "type_str": name.kind.as_str(), "id": name.id},
            "auth": {
                "key": about(&auth.key),
                "pending_key": about(&auth.pending_key.clone().unwrap_or_default()),
                "caps": caps.collect::<Vec<_>>(),
            },
        })
    });
    let rotating = service.keys.rotating.iter().map(|(service, secrets)| {
        let list = secrets.secrets.iter().map(|(id, secret)| {
            json!({"id": id, "expiring_key": {"key": about(&secret.key), "expiration": stamp::text(secret.expires)}})
        });
        json!({
            "entity": {"type": *service as u32, "type_str": service.as_str(), "id": ""},
            "secrets": {"max_ver": secrets.id_max, "keys": list.collect::<Vec<_>>()},
        })
    });
    json!({
        "data": {
            "version": service.keys.version,
            "rotating_version": service.keys.rotating_version,
            "secrets": secrets.collect::<Vec<_>>(),
            "rotating_secrets": rotating.collect::<Vec<_>>(),
        },
    })
}
