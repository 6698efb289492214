//! The options that have an effect, whichever way they are given: ceph.conf, YAML, environment, command line.
//!
//! Names without `*` are Ceph's and mean what they mean there. docs/configuration.md is this table (a test
//! holds them together).

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Path,
    /// `true`, `false`, `yes`, `no`, `1`, `0`.
    Bool,
    Integer,
    Number,
    /// Bytes, with an optional K, M or G (powers of 1024).
    Size,
    /// Seconds, or a number with a unit: `0.5`, `500ms`, `2m`.
    Duration,
}

/// Under which heading an option is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Identity,
    Process,
    Log,
    Http,
    Security,
    Limits,
    Timing,
    Paxos,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// With underscores.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) group: Group,
    /// Empty: none. May hold metavariables.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    /// Whether Ceph has it, too.
    pub(crate) from_ceph: bool,
    /// The least value that makes sense, where 0 does not.
    pub(crate) least: Option<&'static str>,
}

const fn ceph(
    name: &'static str,
    kind: Kind,
    group: Group,
    default: &'static str,
    help: &'static str,
) -> Spec {
    Spec { name, kind, group, default, help, from_ceph: true, least: None }
}

const fn ours(
    name: &'static str,
    kind: Kind,
    group: Group,
    default: &'static str,
    help: &'static str,
) -> Spec {
    Spec { name, kind, group, default, help, from_ceph: false, least: None }
}

use Group::{Http, Identity, Limits, Log, Paxos, Process, Security, Timing};
use Kind::{Bool, Duration, Integer, Number, Path, Size, Text};

/// All of them, by group.
pub(crate) const TABLE: &[Spec] = &[
    ceph("fsid", Text, Identity, "", "the cluster's UUID; must agree with the store"),
    ceph("mon_data", Path, Identity, "/var/lib/ceph/mon/$cluster-$id", "data directory"),
    ceph("keyring", Path, Identity, "$mon_data/keyring", "keyring file with the key of mon."),
    ceph(
        "mon_host",
        Text,
        Identity,
        "",
        "addresses of the cluster's monitors, separated by commas or spaces",
    ),
    ceph("mon_initial_members", Text, Identity, "", "names of the monitors that form the first quorum"),
    ceph("public_addr", Text, Identity, "", "own address, where the monmap does not say it"),
    ceph("public_addrv", Text, Identity, "", "own addresses in the form [v2:IP:PORT]"),
    ceph(
        "public_bind_addr",
        Text,
        Identity,
        "",
        "address to listen on, where it differs from the own address",
    ),
    ceph("crush_location", Text, Identity, "", "place in CRUSH terms, such as datacenter=a"),
    ours(
        "mon_release",
        Text,
        Identity,
        "tentacle",
        "the release to present: pacific, reef or tentacle; see docs/configuration.md before choosing",
    ),
    ours(
        "mon_ciphers",
        Text,
        Identity,
        "compatible",
        "for mkfs of a tentacle cluster: compatible (keys of both types may log in) or strict (aes256k only)",
    ),
    ours("mon_learner", Bool, Identity, "false", "follow the quorum without ever voting"),
    ours(
        "mon_mkfs_if_empty",
        Bool,
        Identity,
        "false",
        "whether to make the data directory at the start where it holds no monitor yet; never for a monitor that has voted: it would have forgotten its promises",
    ),
    //
    ceph("setuser", Text, Process, "", "user (name or number) to run as, when started as root"),
    ceph("setgroup", Text, Process, "", "group (name or number) to run as, when started as root"),
    ceph("setuser_match_path", Path, Process, "", "change the user only if this path belongs to it"),
    ceph("pid_file", Path, Process, "", "where to write the process id"),
    ceph("run_dir", Path, Process, "/var/run/ceph", "folder of the admin socket"),
    ceph("admin_socket", Path, Process, "$run_dir/$cluster-$name.asok", "admin socket; empty for none"),
    //
    ceph("log_file", Path, Log, "/var/log/ceph/$cluster-$name.log", "log file"),
    ceph("log_to_file", Bool, Log, "true", "whether to write the log file"),
    ceph(
        "log_to_stderr",
        Bool,
        Log,
        "false",
        "whether to log to standard error; always so in the foreground when there is no log file",
    ),
    ceph("mon_cluster_log_file", Path, Log, "/var/log/ceph/$cluster.log", "file for the cluster log"),
    ceph("mon_cluster_log_to_file", Bool, Log, "true", "whether to write the cluster log file"),
    ceph(
        "mon_cluster_log_to_stderr",
        Bool,
        Log,
        "false",
        "whether the cluster log goes to standard error, too",
    ),
    ceph("debug_mon", Text, Log, "1/5", "0 to 4: info, 5 to 9: debug, 10 and more: trace"),
    ours(
        "mon_log_level",
        Text,
        Log,
        "",
        "error, warn, info, debug, trace, or a filter of tracing-subscriber; goes before debug_mon",
    ),
    ours("mon_log_format", Text, Log, "text", "text or json"),
    //
    ours(
        "mon_http_listen",
        Text,
        Http,
        "127.0.0.1:0",
        "address and port of the HTTP endpoint; port 0: any free one; empty: none. Beyond loopback it needs TLS and a token",
    ),
    ours(
        "mon_http_address_file",
        Path,
        Http,
        "$run_dir/$cluster-$name.http",
        "file that says where the endpoint is, for `mon status` and its like on the same machine; empty: none",
    ),
    ours("mon_http_tls_cert", Path, Http, "", "certificate chain (PEM), read again when it changes"),
    ours("mon_http_tls_key", Path, Http, "", "its private key (PEM)"),
    ours("mon_http_token_file", Path, Http, "", "file with the bearer token that /v1 asks for"),
    ours(
        "mon_http_connections_max",
        Integer,
        Http,
        "256",
        "most connections at a time; beyond it the oldest that is not being answered is cut. Requests for /v1 take three quarters of it at most",
    ).at_least("4"),
    ours(
        "mon_http_patience",
        Duration,
        Http,
        "10",
        "how long a client may take over the TLS handshake, over a request's head, over its body, and until it takes more of an answer",
    ).at_least("0.1"),
    //
    ceph(
        "auth_cluster_required",
        Text,
        Security,
        "cephx",
        "how monitors log in to each other: cephx is the only way",
    ),
    ceph("auth_service_required", Text, Security, "cephx", "how clients log in to daemons: cephx or none"),
    ceph(
        "auth_allow_insecure_global_id_reclaim",
        Bool,
        Security,
        "false",
        "let clients of before 2021 take back their id without proof",
    ),
    ceph(
        "mon_auth_allow_insecure_key",
        Bool,
        Security,
        "false",
        "allow new keys of a type that the cluster calls insecure",
    ),
    ceph(
        "mon_auth_emergency_allowed_ciphers",
        Text,
        Security,
        "",
        "key types that may log in whatever the monmap says; for a cluster that locked itself out",
    ),
    ceph("auth_service_ticket_ttl", Duration, Security, "3600", "how long a service ticket is valid").at_least("1"),
    ceph("auth_mon_ticket_ttl", Duration, Security, "259200", "how long an AUTH ticket is valid").at_least("1"),
    ceph(
        "ms_mon_cluster_mode",
        Text,
        Security,
        "secure crc",
        "connection modes among monitors, best first: secure, crc",
    ),
    ceph(
        "ms_mon_service_mode",
        Text,
        Security,
        "secure crc",
        "connection modes that clients of the monitor may choose from",
    ),
    //
    ceph("mon_data_avail_warn", Integer, Limits, "30", "percent of free disk at which to warn"),
    ceph(
        "mon_data_avail_crit",
        Integer,
        Limits,
        "5",
        "percent of free disk at which no more writes are accepted",
    ),
    ceph("mon_config_key_max_entry_size", Size, Limits, "64K", "largest value of a config-key").at_least("1"),
    ceph("mon_session_timeout", Duration, Limits, "300", "how long a client may be silent").at_least("1"),
    ceph(
        "mon_op_history_size",
        Integer,
        Limits,
        "20",
        "how many operations that ended are remembered, the longest of all (`ceph tell mon.X dump_historic_ops`)",
    ),
    ceph("mon_op_history_duration", Duration, Limits, "600", "for how long they are"),
    ceph(
        "mon_op_history_slow_op_size",
        Integer,
        Limits,
        "20",
        "how many slow ones are remembered besides, the latest of all",
    ),
    ceph(
        "mon_op_history_slow_op_threshold",
        Duration,
        Limits,
        "10",
        "from how long on an operation counts as slow",
    ),
    ours("mon_message_bytes_max", Size, Limits, "128M", "largest message of a client").at_least("64K"),
    ours("mon_queue_bytes_max", Size, Limits, "256M", "most bytes waiting for one peer that does not read").at_least("64K"),
    ours(
        "mon_queue_messages_max",
        Integer,
        Limits,
        "16384",
        "most messages waiting for one peer that does not read",
    ).at_least("16"),
    ours(
        "mon_client_bytes_max",
        Size,
        Limits,
        "256M",
        "most bytes that all clients together may make the monitor keep: answers that they do not read and messages that they do not finish, and as much again of requests that wait",
    ).at_least("64K"),
    ours("mon_unauthenticated_max", Integer, Limits, "1024", "most connections that have not logged in").at_least("1"),
    ours("mon_unauthenticated_age_max", Duration, Limits, "10", "how long logging in may take").at_least("0.1"),
    ours("mon_sessions_max", Integer, Limits, "16384", "most client sessions").at_least("1"),
    //
    ceph("mon_probe_timeout", Duration, Timing, "0.5", "wait for answers before probing again").at_least("0.01"),
    ceph(
        "mon_election_timeout",
        Duration,
        Timing,
        "5",
        "wait for acknowledgements where a stock monitor is the candidate",
    ).at_least("0.01"),
    ours("mon_candidate_timeout", Duration, Timing, "1", "the same among our own").at_least("0.01"),
    ceph(
        "mon_elector_ping_timeout",
        Duration,
        Timing,
        "2",
        "silence after which a peer counts as dead; pings are sent twice as often",
    ).at_least("0.01"),
    ceph(
        "mon_elector_ignore_propose_margin",
        Number,
        Timing,
        "0.0005",
        "by how much an outsider must be better connected to be listened to",
    ),
    ceph("mon_con_tracker_score_halflife", Duration, Timing, "43200", "half-life of connection scores").at_least("1"),
    ceph("mon_con_tracker_persist_interval", Integer, Timing, "10", "changes after which they are stored").at_least("1"),
    ceph("mon_lease", Duration, Timing, "5", "length of a lease beside stock monitors").at_least("0.1"),
    ceph("mon_lease_renew_interval_factor", Number, Timing, "0.6", "part of it after which it is renewed").at_least("0.01"),
    ceph(
        "mon_lease_ack_timeout_factor",
        Number,
        Timing,
        "2",
        "multiple of it after which its acknowledgement is missed",
    ).at_least("1"),
    ceph(
        "mon_accept_timeout_factor",
        Number,
        Timing,
        "2",
        "multiple of it after which an accept is missed, beside stock monitors",
    ).at_least("1"),
    ours("mon_heartbeat_interval", Duration, Timing, "0.25", "sign of life of a leader among our own").at_least("0.01"),
    ours(
        "mon_leader_silence_max",
        Duration,
        Timing,
        "1",
        "silence of the leader after which another is elected",
    ).at_least("0.01"),
    ours(
        "mon_peon_silence_max",
        Duration,
        Timing,
        "2",
        "silence of a peon after which the leader goes on without it",
    ).at_least("0.01"),
    ceph("mon_timecheck_interval", Duration, Timing, "300", "how often clocks are compared").at_least("1"),
    ceph(
        "mon_timecheck_skew_interval",
        Duration,
        Timing,
        "30",
        "how often, times the round, while one is off",
    ).at_least("1"),
    ceph("mon_clock_drift_allowed", Duration, Timing, "0.05", "by how much a clock may be off"),
    //
    ceph("paxos_min", Integer, Paxos, "500", "Paxos versions to keep at least").at_least("1"),
    ceph("paxos_trim_min", Integer, Paxos, "250", "how many more there must be before any are removed").at_least("1"),
    ceph("paxos_trim_max", Integer, Paxos, "500", "how many are removed at a time").at_least("1"),
    ceph(
        "paxos_max_join_drift",
        Integer,
        Paxos,
        "10",
        "versions that a joining monitor may lack without a sync",
    ),
    ceph(
        "mon_sync_timeout",
        Duration,
        Paxos,
        "60",
        "how long either side of a store sync waits for the other",
    ).at_least("0.1"),
    ceph("mon_sync_max_payload_size", Size, Paxos, "1M", "bytes in a chunk of a store sync").at_least("1K"),
    ceph("mon_sync_max_payload_keys", Integer, Paxos, "2000", "keys in a chunk of a store sync").at_least("1"),
];

/// Options of stock daemons that command lines and files for monitors carry and that change nothing here.
/// Nobody needs to be warned of them.
const WITHOUT_EFFECT: &[&str] = &[
    "auth_client_required",
    "auth_supported",
    "cephx_require_signatures",
    "err_to_stderr",
    "err_to_journald",
    "err_to_syslog",
    "log_to_journald",
    "log_to_syslog",
    "log_stderr_prefix",
    "log_flush_on_exit",
    "mon_cluster_log_to_journald",
    "mon_cluster_log_to_syslog",
    "mon_allow_pool_delete",
    "ms_mon_client_mode",
    "ms_bind_ipv4",
    "ms_bind_ipv6",
    "ms_bind_msgr1",
    "ms_bind_msgr2",
    "no_mon_config",
];

impl Spec {
    const fn at_least(self, least: &'static str) -> Self {
        Self { least: Some(least), ..self }
    }

    /// What it is, with the least value.
    pub(crate) fn meaning(&self) -> String {
        match self.least {
            Some(least) => format!("{} (no less than {least})", self.help),
            None => self.help.into(),
        }
    }

    /// The option of this name (with underscores).
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|spec| spec.name == name)
    }

    /// Its environment variable: `MON_` and the name without a `mon_` that it starts with.
    pub(crate) fn env(&self) -> String {
        format!("MON_{}", self.short_name().to_uppercase())
    }

    /// Its flag on the command lines of `mon`.
    pub(crate) fn flag(&self) -> String {
        self.short_name().replace('_', "-")
    }

    /// Whether the short help shows it.
    pub(crate) fn is_common(&self) -> bool {
        match self.group {
            Identity | Http => true,
            Process | Log | Security | Limits | Timing | Paxos => false,
        }
    }

    fn short_name(&self) -> &'static str {
        self.name.strip_prefix("mon_").unwrap_or(self.name)
    }
}

impl Group {
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Identity => "Identity",
            Self::Process => "Process",
            Self::Log => "Log",
            Self::Http => "HTTP endpoint",
            Self::Security => "Security",
            Self::Limits => "Limits",
            Self::Timing => "Timing",
            Self::Paxos => "Paxos and sync",
        }
    }
}

/// Whether an option that is not in the table is known to be of no importance here.
pub(crate) fn is_without_effect(name: &str) -> bool {
    WITHOUT_EFFECT.contains(&name)
        || [
            "debug_",
            "osd_",
            "mds_",
            "mgr_",
            "rgw_",
            "rbd_",
            "client_",
            "rocksdb_",
            "bluestore_",
            "objecter_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_flags_and_variables_are_unique() {
        for distinct in [
            TABLE.iter().map(|spec| spec.name.to_owned()).collect::<BTreeSet<_>>(),
            TABLE.iter().map(Spec::env).collect(),
            TABLE.iter().map(Spec::flag).collect(),
        ] {
            assert_eq!(distinct.len(), TABLE.len());
        }
    }

    #[test]
    fn names_are_normal() {
        for spec in TABLE {
            assert_eq!(crate::config::ceph_conf::normal_name(spec.name), spec.name);
            assert!(!is_without_effect(spec.name) || spec.name == "debug_mon", "{}", spec.name);
        }
    }
}
