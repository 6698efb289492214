//! What the named profiles stand for.

use std::collections::BTreeMap;

use super::{Access, Constraint, Scope};
use crate::entity::EntityName;

const R: Access = Access::READ;
const W: Access = Access::WRITE;

/// An instance's address with its nonce, so that a client can blocklist a peer but no whole host.
const INSTANCE_ADDR: &str = "^[^/]+/[0-9]+$";

/// OSD capabilities made of nothing but `profile rbd*`, each perhaps with a pool.
const RBD_PROFILES: &str =
    r#"^([ ,]*profile(=|[ ]+)['"]?rbd[^ ,'"]*['"]?([ ]+pool(=|[ ]+)['"]?[^,'"]+['"]?)?)+$"#;

/// The profile's grants for the entity that holds it; none for a name without meaning.
pub(super) fn expand(profile: &str, entity: &EntityName) -> Vec<Scope> {
    let mut scopes = named(profile);
    if matches!(profile, "mon" | "osd" | "mds" | "mgr") {
        let own = format!("daemon-private/{entity}/");
        for verb in ["get", "put", "set", "exists", "delete"] {
            scopes.push(command(&format!("config-key {verb}"), &[("key", prefix(&own))]));
        }
    }
    scopes
}

fn named(profile: &str) -> Vec<Scope> {
    match profile {
        "read-only" => vec![Scope::Blanket { access: R, fs_name: None }],
        "read-write" => vec![Scope::Blanket { access: R | W, fs_name: None }],
        "mon" => vec![service("mon", Access::ALL), service("log", Access::ALL)],
        "osd" => vec![
            service("osd", Access::ALL),
            service("mon", R),
            service("pg", R | W),
            service("log", W),
            command("config set", &[("name", regex("osd_mclock_max_capacity_iops_(hdd|ssd)"))]),
            // From 17 on an OSD also drops settings that its scheduler overrides.
            command(
                "config rm",
                &[("name", regex("osd_max_backfills|osd_recovery_max_active.*|osd_mclock_scheduler_.*"))],
            ),
        ],
        "mds" => vec![
            service("mds", Access::ALL),
            service("mon", R),
            service("osd", R),
            command("osd pool rmsnap", &[]),
            command("osd blocklist", &[]),
            command("osd blacklist", &[]),
            service("log", W),
        ],
        "mgr" => vec![
            service("mgr", Access::ALL),
            service("log", R | W),
            service("mon", R | W),
            service("mds", R | W),
            service("fs", R | W),
            service("osd", R | W),
            service("auth", Access::ALL),
            service("config-key", R | W),
            service("config", R | W),
            command("auth get-or-create", &[]),
            command("auth caps", &[]),
            command("auth rm", &[]),
            command("smart", &[]),
        ],
        "bootstrap-osd" => vec![
            service("mon", R),
            service("osd", R),
            command("mon getmap", &[]),
            command("osd new", &[]),
            command("osd purge-new", &[]),
        ],
        "bootstrap-mds" => bootstrap_daemon(&[
            ("entity", prefix("mds.")),
            ("caps_mon", equal("allow profile mds")),
            ("caps_osd", equal("allow rwx")),
            ("caps_mds", equal("allow")),
        ]),
        "bootstrap-mgr" => {
            bootstrap_daemon(&[("entity", prefix("mgr.")), ("caps_mon", equal("allow profile mgr"))])
        }
        "bootstrap-rgw" => bootstrap_daemon(&[
            ("entity", prefix("client.rgw.")),
            ("caps_mon", equal("allow rw")),
            ("caps_osd", equal("allow rwx")),
        ]),
        "bootstrap-rbd" => bootstrap_rbd("profile rbd"),
        "bootstrap-rbd-mirror" => bootstrap_rbd("profile rbd-mirror"),
        "fs-client" => vec![service("mon", R), service("mds", R), service("osd", R), service("pg", R)],
        "simple-rados-client" => rados_client(),
        "simple-rados-client-with-blocklist" => {
            let mut scopes = rados_client();
            scopes.push(blocklist("osd blocklist", "blocklistop"));
            scopes
        }
        "cephfs-mirror" => vec![
            service("mon", R),
            service("mds", R),
            service("osd", R),
            service("pg", R),
            command("config-key get", &[("key", prefix("cephfs/mirror/peer/"))]),
        ],
        "crash" => vec![service("mon", R)],
        // Everything about keys, nothing but reading elsewhere.
        "role-definer" => vec![service("mon", R), service("auth", Access::ALL)],
        rbd if rbd.starts_with("rbd") => rbd_client(rbd),
        _ => Vec::new(),
    }
}

fn rados_client() -> Vec<Scope> {
    vec![service("mon", R), service("osd", R), service("pg", R)]
}

fn rbd_client(profile: &str) -> Vec<Scope> {
    let mut scopes = rados_client();
    scopes.push(blocklist("osd blocklist", "blocklistop"));
    scopes.push(blocklist("osd blacklist", "blacklistop"));
    match profile {
        "rbd-mirror" => scopes.push(command("config-key get", &[("key", prefix("rbd/mirror/"))])),
        "rbd-mirror-peer" => {
            scopes.push(command("config-key get", &[("key", regex("rbd/mirror/[^/]+"))]));
            scopes.push(command("config-key set", &[("key", prefix("rbd/mirror/peer/"))]));
        }
        _ => {}
    }
    scopes
}

fn bootstrap_daemon(args: &[(&str, Constraint)]) -> Vec<Scope> {
    vec![
        service("mon", R),
        service("osd", R),
        command("mon getmap", &[]),
        command("auth get-or-create", args),
    ]
}

fn bootstrap_rbd(caps_mon: &str) -> Vec<Scope> {
    let args =
        [("entity", prefix("client.")), ("caps_mon", equal(caps_mon)), ("caps_osd", regex(RBD_PROFILES))];
    vec![service("mon", R), command("auth get-or-create", &args)]
}

fn blocklist(name: &str, op: &str) -> Scope {
    command(name, &[(op, equal("add")), ("addr", regex(INSTANCE_ADDR))])
}

fn service(name: &str, access: Access) -> Scope {
    Scope::Service { service: name.into(), access }
}

fn command(name: &str, args: &[(&str, Constraint)]) -> Scope {
    let args: BTreeMap<_, _> = args.iter().map(|(name, c)| ((*name).to_owned(), c.clone())).collect();
    Scope::Command { command: name.into(), args }
}

fn equal(text: &str) -> Constraint {
    Constraint::Equal(text.into())
}

fn prefix(text: &str) -> Constraint {
    Constraint::Prefix(text.into())
}

fn regex(text: &str) -> Constraint {
    Constraint::Regex(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rbd_capabilities_may_carry_pools_and_nothing_else() {
        let regex = regex(RBD_PROFILES);
        for good in ["profile rbd", "profile rbd pool=a, profile rbd-read-only pool b", "profile='rbd'"] {
            assert!(regex.matches(good), "{good}");
        }
        for bad in ["allow rwx", "profile rbd, allow *", ""] {
            assert!(!regex.matches(bad), "{bad}");
        }
    }

    #[test]
    fn profiles_without_meaning_are_empty() {
        let entity = EntityName::mon();
        assert!(expand("", &entity).is_empty() && expand("OSD", &entity).is_empty());
        assert_eq!(expand("mon", &entity).len(), 7);
    }
}
