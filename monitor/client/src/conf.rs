//! The few lines of a `ceph.conf` that a client needs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use mon_types::entity::EntityName;

use crate::ceph_conf::CephConf;

/// Options of the sections that apply to one entity, later sections winning: global, its type, its name.
#[derive(Debug, Default)]
pub(crate) struct Conf {
    options: BTreeMap<String, String>,
}

impl Conf {
    pub(crate) fn of(file: &CephConf, entity: &EntityName) -> Self {
        let sections = ["global".to_owned(), entity.kind.as_str().to_owned(), entity.to_string()];
        let settings = sections.iter().flat_map(|section| file.section(section));
        Self { options: settings.map(|setting| (setting.key.clone(), setting.value.clone())).collect() }
    }

    /// The value of an option, with Ceph's variables replaced.
    pub(crate) fn value(&self, name: &str, entity: &EntityName) -> Option<String> {
        let value = self.options.get(name)?;
        let named = entity.to_string();
        Some(
            value
                .replace("$cluster", "ceph")
                .replace("$name", &named)
                .replace("$type", entity.kind.as_str())
                .replace("$id", &entity.id),
        )
    }
}

/// The msgr2 addresses in a `mon_host` value: `10.0.0.1`, `10.0.0.1:3300`, `v2:10.0.0.1:3300/0`,
/// `[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`, several of them with commas between. Legacy addresses are left
/// out, and so is what is no address (host names: they would need a resolver).
#[must_use]
pub fn monitor_addresses(mon_host: &str) -> Vec<SocketAddr> {
    mon_host.split([',', ';', ' ', '\t']).filter_map(address).collect()
}

fn address(token: &str) -> Option<SocketAddr> {
    let mut token = token.trim();
    // The bracket of a group, not that of an IPv6 address.
    if token.starts_with("[v") {
        token = &token[1..];
    }
    while token.matches(']').count() > token.matches('[').count() {
        token = token.strip_suffix(']')?;
    }
    let (version, token) = match token.split_at_checked(3) {
        Some(("v1:", rest)) => (Some(1), rest),
        Some(("v2:", rest)) => (Some(2), rest),
        _ => (None, token),
    };
    let token = token.split('/').next()?;
    let socket = match token.parse::<SocketAddr>() {
        Ok(socket) => socket,
        Err(_) => SocketAddr::new(token.trim_matches(['[', ']']).parse::<IpAddr>().ok()?, PORT),
    };
    let legacy = version == Some(1) || (version.is_none() && socket.port() == PORT_LEGACY);
    (!legacy).then_some(socket)
}

/// The port of msgr2 monitors.
const PORT: u16 = 3300;
/// That of msgr1.
const PORT_LEGACY: u16 = 6789;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(mon_host: &str) -> Vec<String> {
        monitor_addresses(mon_host).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_spelling_of_mon_host() {
        assert_eq!(addresses("10.0.0.1,10.0.0.2:3301"), ["10.0.0.1:3300", "10.0.0.2:3301"]);
        assert_eq!(
            addresses("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0] [v2:10.0.0.2:3300,v1:10.0.0.2:6789]"),
            ["10.0.0.1:3300", "10.0.0.2:3300"]
        );
        assert_eq!(addresses("[v2:[::1]:3300,v1:[::1]:6789],[fe80::1]"), ["[::1]:3300", "[fe80::1]:3300"]);
        assert_eq!(addresses("10.0.0.1:6789, ,nonsense"), Vec::<String>::new());
    }

    #[test]
    fn sections_apply_from_the_general_to_the_particular() {
        let text = "\
            [client.admin]\nkeyring = /tmp/$name.keyring # comment\n\
            [global]\nkeyring = general\nmon host = 10.0.0.1\n; comment\n\
            [client]\nkeyring = \"$cluster.$id\"\n[osd]\nkeyring = other\n";
        let admin: EntityName = "client.admin".parse().unwrap();
        let other: EntityName = "client.other".parse().unwrap();
        let mon: EntityName = "mon.a".parse().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let file = CephConf::read(file.path()).unwrap();
        let keyring = |entity: &EntityName| Conf::of(&file, entity).value("keyring", entity).unwrap();
        assert_eq!(keyring(&admin), "/tmp/client.admin.keyring");
        assert_eq!(keyring(&other), "ceph.other");
        assert_eq!(keyring(&mon), "general");
        assert_eq!(Conf::of(&file, &mon).value("mon_host", &mon).unwrap(), "10.0.0.1");
    }
}
