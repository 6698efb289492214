//! `mon set auth_*`: the cipher policy, with the settings refused that would lock everybody out.

use std::collections::BTreeSet;

use mon_types::crypto_key::CryptoKind;
use mon_types::entity::{EntityName, EntityType};
use mon_types::features::MonFeatures;
use mon_types::monmap::{Cipher, CipherPolicy, MonMap};

use super::MonmapService;
use crate::effect::{CommandReply, Halt};
use crate::operation::{Command, Errno, Prepared};
use crate::service::Preparing;
use crate::service::auth::stored_key_kind;

/// Stock takes `none`, and lets an allowed list drop the type of every key in use; we refuse both.
pub(super) fn prepare(
    service: &mut MonmapService,
    cx: &mut Preparing<'_>,
    command: &Command,
) -> Result<Prepared, Halt> {
    let refuse = |errno, text: String| Ok(Prepared::unchanged(CommandReply::refused(errno, text)));
    let name = command.arguments.text("name").unwrap_or_default();
    let value = command.arguments.text("value").unwrap_or_default();
    let map = service.current();
    if !supports_policy(cx, map) {
        return refuse(Errno::EOPNOTSUPP, "the quorum has members that know no cipher policy".into());
    }
    let mut policy = map.ciphers.clone().unwrap_or_else(CipherPolicy::upgraded);
    let before = policy.clone();
    let mut ciphers = Vec::new();
    for word in value.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word.parse::<CryptoKind>() {
            Ok(CryptoKind::None) => {
                return refuse(Errno::EINVAL, "'none' would switch keys off: use aes or aes256k".into());
            }
            Ok(kind) if ciphers.contains(&Cipher(kind)) => {}
            Ok(kind) => ciphers.push(Cipher(kind)),
            Err(error) => return refuse(Errno::EINVAL, error.to_string()),
        }
    }
    match (name, ciphers.as_slice()) {
        ("auth_allowed_ciphers", [_, ..]) => {
            let admin = EntityName::new(EntityType::Client, "admin");
            let mon_kind =
                Some(cx.around.settings.mon_key.key.kind()).filter(|kind| *kind != CryptoKind::None);
            let in_use: BTreeSet<CryptoKind> =
                stored_key_kind(cx.around.store, &admin)?.into_iter().chain(mon_kind).collect();
            if let Some(kind) = in_use.into_iter().find(|kind| !ciphers.contains(&Cipher(*kind))) {
                let text =
                    format!("client.admin or mon. has a key of type {kind}: rotate it first, or keep {kind}");
                return refuse(Errno::EPERM, text);
            }
            ciphers.sort();
            policy.allowed = ciphers;
        }
        ("auth_service_cipher", [cipher]) => policy.service = *cipher,
        ("auth_preferred_cipher", [cipher]) => policy.preferred = *cipher,
        _ => return refuse(Errno::EINVAL, format!("'{value}' is no value for {name}")),
    }
    if policy == before {
        return Ok(Prepared::unchanged(CommandReply::done("already set")));
    }
    service.edit(&cx.around).ciphers = Some(policy);
    Ok(Prepared::changed(CommandReply::default()))
}

/// Whether the map carries a policy, or every member would understand one.
fn supports_policy(cx: &Preparing<'_>, map: &MonMap) -> bool {
    let quorum = cx.around.quorum.map_or(MonFeatures(0), |quorum| quorum.mon_features);
    map.ciphers.is_some() || quorum.contains(MonFeatures::CEPHX_AUTH_AES256K)
}
