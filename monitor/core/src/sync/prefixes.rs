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
