//! Which prefixes of the store a sync copies: those of Paxos and of everything that it agrees on. A member's
//! own affairs (`monitor`, `mkfs`, `mon_sync`) stay its own.

/// In the order in which they are copied.
pub(crate) const PREFIXES: &[&str] = &[
    "auth",
    "config",
    "device",
    "health",
    "kv",
    "logm",
    "mds_health",
    "mds_metadata",
    "mdsmap",
    "mgr",
    "mgr_command_descs",
    "mgr_metadata",
    "mgrstat",
    "mon_config_key",
    "moncluster",
    "monitor_store",
    "monmap",
    "nvmeofgw",
    "osd_metadata",
    "osd_pg_creating",
    "osd_snap",
    "osdmap",
    "paxos",
];

/// After every key that there can be.
pub(super) const KEY_END: &str = "\u{10ffff}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;
    use crate::service::auth::AuthService;
    use crate::service::health::HealthService;
    use crate::service::kv::{KvService, OWN_PREFIX};
    use crate::service::log::LogService;
    use crate::service::monmap::MonmapService;

    /// Found by the nemesis: after a full sync a monitor knew nothing of learners, of the revisions of keys, and of
    /// operations that had been applied already.
    #[test]
    fn everything_that_is_agreed_on_is_copied() {
        let services = [
            AuthService::PREFIX,
            HealthService::PREFIX,
            KvService::PREFIX,
            LogService::PREFIX,
            MonmapService::PREFIX,
            OWN_PREFIX,
            "mon_config_key",
            "paxos",
        ];
        let missing: Vec<_> = services.into_iter().filter(|prefix| !PREFIXES.contains(prefix)).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert!(PREFIXES.is_sorted());
    }
}
