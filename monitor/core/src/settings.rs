//! Settings and limits of the services, with Ceph's option names where there are any.

use std::time::Duration;

use mon_cephx::server::TicketTtl;
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKind;
use mon_types::monmap::CipherPolicy;

/// What the services go by. Members of a cluster need not agree on any of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The key that all monitors share, from the keyring in the data directory, with its caps.
    pub mon_key: EntityAuth,
    /// The cipher policy that a new cluster starts with. Default: both types allowed, so that every stock
    /// client can log in.
    pub ciphers: CipherPolicy,
    /// Whether keys of a type that counts as insecure may be made when the policy does not prefer them.
    /// Default no (`mon_auth_allow_insecure_key`).
    pub allow_insecure_key: bool,
    /// Key types that may log in here whatever the monmap says, for a cluster that locked itself out.
    /// Default none (`mon_auth_emergency_allowed_ciphers`).
    pub emergency_allowed_ciphers: Vec<CryptoKind>,
    /// Whether old clients may take back a global id without the ticket it belongs to. Default no; Ceph's
    /// is yes (`auth_allow_insecure_global_id_reclaim`).
    pub allow_insecure_reclaim: bool,
    /// Whether clients may come without authentication. Default no (`auth_client_required`).
    pub allow_none: bool,
    /// How long tickets are valid.
    pub ticket_ttl: TicketTtl,
    /// How many global ids are reserved at a time. Default 10000 (`mon_globalid_prealloc`).
    pub global_id_block: u64,

    /// Client sessions at a time; more are closed at once. Default 20000.
    pub sessions_max: usize,
    /// A session that is silent for this long is closed. Default 300 s (`mon_session_timeout`).
    pub session_timeout: Duration,
    /// Operations of one session that may wait; one more closes it. Default 1024.
    pub session_operations_max: usize,
    /// Operations of all sessions that may wait; more close the session they come from. Default 50000.
    pub operations_max: usize,
    /// Bytes of input that they may hold together; beyond it the next of a client closes its session.
    /// Default 256 MiB.
    pub operations_bytes_max: usize,
    /// How long an operation waits for a quorum before its session is closed, so that the client looks
    /// for another monitor. Default 5 s (`mon_lease`).
    pub quorum_wait: Duration,

    /// Operations that are put into one Paxos value. Default 1024.
    pub value_operations_max: usize,
    /// Bytes of input after which a Paxos value takes no further operation. Default 4 MiB.
    pub value_bytes_max: usize,
    /// Longest value of a config key in bytes. Default 65536 (`mon_config_key_max_entry_size`).
    pub kv_value_bytes_max: usize,
    /// Cluster log entries kept per channel. Default 10000 (`mon_log_max`).
    pub log_entries_max: u64,

    /// What `dump_historic_ops` and its like keep.
    pub history: HistoryLimits,

    /// Percentage of free disk below which the monitor warns. Default 30 (`mon_data_avail_warn`).
    pub disk_warn_percent: u64,
    /// Percentage below which it is an error. Default 5 (`mon_data_avail_crit`).
    pub disk_error_percent: u64,
    /// How often housekeeping runs: secrets, session timeouts, trimming. Default 5 s (`mon_tick_interval`).
    pub tick_interval: Duration,
}

/// How much is remembered of operations that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLimits {
    /// How many, the longest of all. Default 20 (`mon_op_history_size`).
    pub size: usize,
    /// For how long. Default 600 s (`mon_op_history_duration`).
    pub duration: Duration,
    /// How many slow ones besides, the latest of all. Default 20 (`mon_op_history_slow_op_size`).
    pub slow_size: usize,
    /// From how long on an operation counts as slow. Default 10 s (`mon_op_history_slow_op_threshold`).
    pub slow_threshold: Duration,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            size: 20,
            duration: Duration::from_secs(600),
            slow_size: 20,
            slow_threshold: Duration::from_secs(10),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mon_key: EntityAuth::default(),
            ciphers: CipherPolicy::compatible(),
            allow_insecure_key: false,
            emergency_allowed_ciphers: Vec::new(),
            allow_insecure_reclaim: false,
            allow_none: false,
            ticket_ttl: TicketTtl::default(),
            global_id_block: 10_000,
            sessions_max: 20_000,
            session_timeout: Duration::from_secs(300),
            session_operations_max: 1024,
            operations_max: 50_000,
            operations_bytes_max: 256 << 20,
            quorum_wait: Duration::from_secs(5),
            value_operations_max: 1024,
            value_bytes_max: 4 << 20,
            kv_value_bytes_max: 64 << 10,
            log_entries_max: 10_000,
            history: HistoryLimits::default(),
            disk_warn_percent: 30,
            disk_error_percent: 5,
            tick_interval: Duration::from_secs(5),
        }
    }
}
