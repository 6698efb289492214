//! Timeouts and limits, as data. Every default is documented where it is defined, with the name of Ceph's
//! option where there is one. Members of a cluster need not agree on any of them.

use std::time::Duration;

use crate::settings::Settings;

/// The settings of the core.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How long to wait for answers before probing again. Default 500 ms (`mon_probe_timeout` is 2 s).
    pub probe_interval: Duration,
    /// How long a candidate waits for members that neither answer nor are known to be dead, and how long a
    /// voter waits for the candidate that it acknowledged. Default 1 s.
    pub election_timeout: Duration,
    /// The same where a stock monitor is the candidate, which waits this long when a member is missing.
    /// Default 5 s (`mon_election_timeout`).
    pub election_timeout_stock: Duration,
    /// Shortest and longest random pause after an election that led to nothing; doubles from one to the
    /// other. Default 50 ms to 8 s.
    pub election_backoff: (Duration, Duration),
    /// How long a leader that stepped down leaves the place to others. Default 5 s.
    pub step_down_abstain: Duration,

    /// How often a leader gives a sign of life to peons of our kind. Default 250 ms.
    pub heartbeat_interval: Duration,
    /// After how much silence of the leader its peons elect another. Default 1 s.
    pub leader_silence_max: Duration,
    /// After how much silence of a peon the leader goes on without it. Default 2 s.
    pub peon_silence_max: Duration,
    /// How often monitors ping each other, whatever their state. Default 1 s (`mon_elector_ping_timeout` / 2).
    pub ping_interval: Duration,
    /// After how much silence a peer counts as dead. Default 2 s (`mon_elector_ping_timeout`).
    pub ping_silence_max: Duration,

    /// How long a lease lasts beside stock monitors. Default 5 s (`mon_lease`).
    pub lease: Duration,
    /// How often it is renewed. Default 3 s (`mon_lease` * `mon_lease_renew_interval_factor`).
    pub lease_renew_interval: Duration,
    /// How long the leader waits for its acknowledgement, and a peon for the next lease, before they probe
    /// again. Default 10 s (`mon_lease` * `mon_lease_ack_timeout_factor`).
    pub lease_ack_timeout: Duration,
    /// How long a leader waits for answers to a collect or begin beside stock monitors. Default 10 s
    /// (`mon_lease` * `mon_accept_timeout_factor`).
    pub accept_timeout: Duration,
    /// After how long a collect, begin or read request is sent again to a peer of our kind. Default 500 ms.
    pub resend_interval: Duration,

    /// How many Paxos values are kept at least. Default 500 (`paxos_min`).
    pub paxos_min: u64,
    /// How many more there must be before some are removed. Default 250 (`paxos_trim_min`).
    pub paxos_trim_min: u64,
    /// How many are removed at a time. Default 500 (`paxos_trim_max`).
    pub paxos_trim_max: u64,
    /// How many values a joining monitor may lack without a sync. Default 10 (`paxos_max_join_drift`).
    pub paxos_max_join_drift: u64,
    /// How many bytes of values a lagging peon is sent at once. Default 1 MiB.
    pub share_bytes_max: usize,

    /// How long either side of a sync waits for the other; a provider twice as long. Default 60 s
    /// (`mon_sync_timeout`).
    pub sync_timeout: Duration,
    /// Size of a sync chunk in bytes. Default 1 MiB (`mon_sync_max_payload_size`).
    pub sync_payload_bytes_max: usize,
    /// Keys in a sync chunk. Default 2000 (`mon_sync_max_payload_keys`).
    pub sync_payload_keys_max: usize,

    /// How often the leader compares clocks. Default 300 s (`mon_timecheck_interval`).
    pub timecheck_interval: Duration,
    /// Times the number of rounds so far, how often while a clock is off. Default 30 s
    /// (`mon_timecheck_skew_interval`).
    pub timecheck_skew_interval: Duration,
    /// How far a clock may be off before it is reported. Default 50 ms (`mon_clock_drift_allowed`).
    pub clock_drift_allowed: Duration,

    /// Half-life of a connection's history, in seconds. Default 43200
    /// (`mon_con_tracker_score_halflife`).
    pub connection_score_halflife: f64,
    /// By how much the score of an outsider must exceed the leader's before its proposal is looked at.
    /// Default 0.0005 (`mon_elector_ignore_propose_margin`).
    pub elector_ignore_propose_margin: f64,
    /// After how many changes the connection scores are stored. Default 10
    /// (`mon_con_tracker_persist_interval`).
    pub connection_score_persist_interval: u64,

    /// Whether to keep to what stock monitors do, even among our own: their rule for commits and reads, no
    /// messages that they lack. Default no.
    pub stock_rule: bool,
    /// Whether to follow as a learner where the monmap does not hold us, instead of asking to join.
    /// Default no.
    pub learner: bool,

    /// Settings and limits of the services.
    pub services: Settings,
}

impl Default for Config {
    fn default() -> Self {
        let ms = Duration::from_millis;
        let sec = Duration::from_secs;
        Self {
            probe_interval: ms(500),
            election_timeout: sec(1),
            election_timeout_stock: sec(5),
            election_backoff: (ms(50), sec(8)),
            step_down_abstain: sec(5),
            heartbeat_interval: ms(250),
            leader_silence_max: sec(1),
            peon_silence_max: sec(2),
            ping_interval: sec(1),
            ping_silence_max: sec(2),
            lease: sec(5),
            lease_renew_interval: sec(3),
            lease_ack_timeout: sec(10),
            accept_timeout: sec(10),
            resend_interval: ms(500),
            paxos_min: 500,
            paxos_trim_min: 250,
            paxos_trim_max: 500,
            paxos_max_join_drift: 10,
            share_bytes_max: 1 << 20,
            sync_timeout: sec(60),
            sync_payload_bytes_max: 1 << 20,
            sync_payload_keys_max: 2000,
            timecheck_interval: sec(300),
            timecheck_skew_interval: sec(30),
            clock_drift_allowed: ms(50),
            connection_score_halflife: 43_200.0,
            elector_ignore_propose_margin: 0.0005,
            connection_score_persist_interval: 10,
            stock_rule: false,
            learner: false,
            services: Settings::default(),
        }
    }
}
