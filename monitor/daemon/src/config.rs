//! What the daemon is told: options from all sources, read into [`Settings`].

pub(crate) mod address;
pub(crate) mod options;
pub(crate) mod table;
pub(crate) mod yaml;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The file format is the clients', too.
pub(crate) use mon_client::ceph_conf;
use mon_core::config::Config as CoreConfig;
use mon_core::settings::HistoryLimits;
use mon_store::DiskLimits;
use mon_types::addr::AddrVec;
use mon_types::crypto_key::CryptoKind;
use mon_types::id::Fsid;
use mon_types::monmap::CipherPolicy;
use mon_types::release::Release;
use mon_wire::auth::Mode;
use mon_wire::limits::Limits;

use crate::config::address::{parse_addrs, parse_list};
use crate::config::options::{BadValue, Options};

/// Everything that the run loop needs to know, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The monitor's name without `mon.`.
    pub(crate) name: String,
    /// The cluster that it must be; none: the one of the store.
    pub(crate) fsid: Option<Fsid>,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The keyring with the key of `mon.`.
    pub(crate) keyring: PathBuf,
    /// Own addresses, if given; the monmap goes before them for a member.
    pub(crate) public_addrs: Option<AddrVec>,
    /// Where to listen, if elsewhere than at the own addresses.
    pub(crate) bind_addr: Option<SocketAddr>,
    /// Monitors to ask at first.
    pub(crate) mon_host: Vec<AddrVec>,
    /// Names of the first quorum.
    pub(crate) mon_initial_members: Vec<String>,
    /// Whether a start makes the data directory where there is none.
    pub(crate) mkfs_if_empty: bool,
    /// `key=value` pairs.
    pub(crate) crush_location: Vec<(String, String)>,
    /// What to present ourselves as.
    pub(crate) release: Release,
    /// The cipher policy of a new cluster.
    pub(crate) ciphers: CipherPolicy,
    /// Timeouts and limits of the core.
    pub(crate) core: CoreConfig,
    pub(crate) auth: AuthSettings,
    pub(crate) modes: ModeSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) disk: DiskLimits,
    pub(crate) http: HttpSettings,
    pub(crate) log: LogSettings,
    pub(crate) process: ProcessSettings,
    /// All options with their values, for `config show`.
    pub(crate) shown: Vec<options::Shown>,
    /// What the operator should know about the configuration.
    pub(crate) warnings: Vec<String>,
}

/// Who may log in, and how.
#[derive(Debug, Clone)]
pub(crate) struct AuthSettings {
    /// Whether clients need cephx (the alternative is none at all). Monitors always use it.
    pub(crate) service_cephx: bool,
    pub(crate) allow_insecure_global_id_reclaim: bool,
    pub(crate) allow_insecure_key: bool,
    /// Key types that may log in whatever the monmap says.
    pub(crate) emergency_allowed_ciphers: Vec<CryptoKind>,
    pub(crate) service_ticket_ttl: Duration,
    pub(crate) auth_ticket_ttl: Duration,
}

/// Connection modes, best first.
#[derive(Debug, Clone)]
pub(crate) struct ModeSettings {
    /// Among monitors, when they connect to us.
    pub(crate) cluster: Vec<Mode>,
    /// Clients, when they connect to us.
    pub(crate) service: Vec<Mode>,
}

/// What others may take of us.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    /// Sessions of clients.
    pub(crate) client: Limits,
    /// Sessions of monitors.
    pub(crate) peer: Limits,
    /// A client that is silent for this long is forgotten.
    pub(crate) session_timeout: Duration,
    /// Largest value of a config-key in bytes.
    pub(crate) config_key_bytes_max: usize,
    /// Most bytes that all clients together may make us keep.
    pub(crate) client_bytes_max: usize,
    /// What is remembered of operations that ended.
    pub(crate) history: HistoryLimits,
}

/// The HTTP endpoint.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    /// None: no endpoint.
    pub(crate) listen: Option<SocketAddr>,
    /// Certificate chain and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) token_file: Option<PathBuf>,
    /// Where to write its address.
    pub(crate) address_file: Option<PathBuf>,
    pub(crate) connections_max: usize,
    /// How long a client may take.
    pub(crate) patience: Duration,
}

/// What is logged, and where.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    pub(crate) file: Option<PathBuf>,
    pub(crate) to_stderr: bool,
    /// A filter of tracing-subscriber.
    pub(crate) filter: String,
    pub(crate) json: bool,
    pub(crate) cluster_file: Option<PathBuf>,
    pub(crate) cluster_to_stderr: bool,
}

/// The process.
#[derive(Debug, Clone)]
pub(crate) struct ProcessSettings {
    /// Stay in the foreground.
    pub(crate) foreground: bool,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) user_match_path: Option<PathBuf>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) admin_socket: Option<PathBuf>,
}

impl Settings {
    /// Reads the options.
    ///
    /// # Errors
    /// The first value that is not what its option needs.
    pub(crate) fn from_options(options: &Options, foreground: bool) -> Result<Self, BadValue> {
        let who = options.who();
        check_name(&who.id)?;
        let mut warnings = Vec::new();
        let unknown: Vec<&str> = options.unknown().collect();
        if !unknown.is_empty() {
            warnings.push(format!("these options have no effect here: {}", unknown.join(", ")));
        }
        if !options.is_given("mon_host") && options.is_given("mon_initial_members") {
            warnings.push(
                "mon_initial_members without mon_host: the addresses of the others are not known".into(),
            );
        }
        if !options.parse("auth_cluster_required", parse_auth_method)? {
            return Err(options.bad("auth_cluster_required", "monitors always use cephx among themselves"));
        }
        let service_cephx = options.parse("auth_service_required", parse_auth_method)?;
        if !service_cephx {
            warnings.push("auth_service_required is none: whoever reaches the port may do anything".into());
        }
        let auth = AuthSettings {
            service_cephx,
            allow_insecure_global_id_reclaim: options.boolean("auth_allow_insecure_global_id_reclaim")?,
            allow_insecure_key: options.boolean("mon_auth_allow_insecure_key")?,
            emergency_allowed_ciphers: options
                .parse_optional("mon_auth_emergency_allowed_ciphers", parse_ciphers)?
                .unwrap_or_default(),
            service_ticket_ttl: options.duration("auth_service_ticket_ttl")?,
            auth_ticket_ttl: options.duration("auth_mon_ticket_ttl")?,
        };
        Ok(Self {
            name: who.id.clone(),
            fsid: options.parse_optional("fsid", str::parse)?,
            data: options.path("mon_data").ok_or_else(|| options.bad("mon_data", "must not be empty"))?,
            keyring: options.path("keyring").ok_or_else(|| options.bad("keyring", "must not be empty"))?,
            public_addrs: public_addrs(options)?,
            bind_addr: options
                .parse_optional("public_bind_addr", parse_addrs)?
                .and_then(|addrs| addrs.0.first().and_then(|addr| addr.socket)),
            mon_host: options.parse_optional("mon_host", parse_list)?.unwrap_or_default(),
            mon_initial_members: list(options.text("mon_initial_members")),
            mkfs_if_empty: options.boolean("mon_mkfs_if_empty")?,
            crush_location: options.parse_optional("crush_location", parse_pairs)?.unwrap_or_default(),
            release: options.parse("mon_release", str::parse)?,
            ciphers: options.parse("mon_ciphers", parse_cipher_policy)?,
            core: core_config(options)?,
            auth,
            modes: ModeSettings {
                cluster: options.parse("ms_mon_cluster_mode", parse_modes)?,
                service: options.parse("ms_mon_service_mode", parse_modes)?,
            },
            limits: limits(options)?,
            disk: DiskLimits {
                warn_percent: percent(options, "mon_data_avail_warn")?,
                stop_percent: percent(options, "mon_data_avail_crit")?,
            },
            http: http(options)?,
            log: log(options, foreground)?,
            process: ProcessSettings {
                foreground,
                user: options.text("setuser"),
                group: options.text("setgroup"),
                user_match_path: options.path("setuser_match_path"),
                pid_file: options.path("pid_file"),
                admin_socket: options.path("admin_socket"),
            },
            shown: options.in_effect().collect(),
            warnings,
        })
    }
}

/// The name is part of paths, which it must not lead elsewhere.
fn check_name(name: &str) -> Result<(), BadValue> {
    if !name.contains(['/', '\0']) && !matches!(name, "" | "." | "..") {
        return Ok(());
    }
    Err(BadValue {
        option: "name".into(),
        value: name.escape_default().to_string(),
        origin: "of this monitor".into(),
        why: "it goes into paths: choose one without '/' that is not '.' or '..'".into(),
    })
}

fn public_addrs(options: &Options) -> Result<Option<AddrVec>, BadValue> {
    let vector = options.parse_optional("public_addrv", parse_addrs)?;
    Ok(match vector {
        Some(addrs) => Some(addrs),
        None => options.parse_optional("public_addr", parse_addrs)?,
    })
}

fn core_config(options: &Options) -> Result<CoreConfig, BadValue> {
    let lease = options.duration("mon_lease")?;
    let of_lease = |name| Ok(lease.mul_f64(options.number(name)?.min(1e6)));
    let ping_silence_max = options.duration("mon_elector_ping_timeout")?;
    Ok(CoreConfig {
        probe_interval: options.duration("mon_probe_timeout")?,
        election_timeout: options.duration("mon_candidate_timeout")?,
        election_timeout_stock: options.duration("mon_election_timeout")?,
        heartbeat_interval: options.duration("mon_heartbeat_interval")?,
        leader_silence_max: options.duration("mon_leader_silence_max")?,
        peon_silence_max: options.duration("mon_peon_silence_max")?,
        ping_interval: ping_silence_max / 2,
        ping_silence_max,
        lease,
        lease_renew_interval: of_lease("mon_lease_renew_interval_factor")?,
        lease_ack_timeout: of_lease("mon_lease_ack_timeout_factor")?,
        accept_timeout: of_lease("mon_accept_timeout_factor")?,
        paxos_min: options.integer("paxos_min")?,
        paxos_trim_min: options.integer("paxos_trim_min")?,
        paxos_trim_max: options.integer("paxos_trim_max")?,
        paxos_max_join_drift: options.integer("paxos_max_join_drift")?,
        sync_timeout: options.duration("mon_sync_timeout")?,
        sync_payload_bytes_max: options.size("mon_sync_max_payload_size")?,
        sync_payload_keys_max: options.integer("mon_sync_max_payload_keys")?,
        timecheck_interval: options.duration("mon_timecheck_interval")?,
        timecheck_skew_interval: options.duration("mon_timecheck_skew_interval")?,
        clock_drift_allowed: options.duration("mon_clock_drift_allowed")?,
        connection_score_halflife: options.duration("mon_con_tracker_score_halflife")?.as_secs_f64(),
        elector_ignore_propose_margin: options.number("mon_elector_ignore_propose_margin")?,
        connection_score_persist_interval: options.integer("mon_con_tracker_persist_interval")?,
        learner: options.boolean("mon_learner")?,
        ..CoreConfig::default()
    })
}

fn limits(options: &Options) -> Result<LimitSettings, BadValue> {
    let from = |base: Limits| {
        Ok(Limits {
            queue_bytes_max: options.size("mon_queue_bytes_max")?,
            queue_messages_max: options.integer("mon_queue_messages_max")?,
            handshake_age_max: options.duration("mon_unauthenticated_age_max")?,
            unauthenticated_max: options.integer("mon_unauthenticated_max")?,
            sessions_max: options.integer("mon_sessions_max")?,
            ..base
        })
    };
    let session_timeout = options.duration("mon_session_timeout")?;
    let message_bytes_max = options.size("mon_message_bytes_max")?;
    let client = Limits { silence_max: Some(session_timeout), message_bytes_max, ..Limits::client() };
    // What a client may send must fit when a peon forwards it.
    let peer = Limits {
        message_bytes_max: Limits::peer().message_bytes_max.max(message_bytes_max),
        ..Limits::peer()
    };
    Ok(LimitSettings {
        client: from(client)?,
        peer: from(peer)?,
        session_timeout,
        config_key_bytes_max: options.size("mon_config_key_max_entry_size")?,
        client_bytes_max: options.size("mon_client_bytes_max")?,
        history: HistoryLimits {
            size: options.integer("mon_op_history_size")?,
            duration: options.duration("mon_op_history_duration")?,
            slow_size: options.integer("mon_op_history_slow_op_size")?,
            slow_threshold: options.duration("mon_op_history_slow_op_threshold")?,
        },
    })
}

fn http(options: &Options) -> Result<HttpSettings, BadValue> {
    let listen: Option<SocketAddr> = options.parse_optional("mon_http_listen", str::parse)?;
    let tls = match (options.path("mon_http_tls_cert"), options.path("mon_http_tls_key")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(options.bad("mon_http_tls_key", "needed with mon_http_tls_cert")),
        (None, Some(_)) => return Err(options.bad("mon_http_tls_cert", "needed with mon_http_tls_key")),
    };
    let token_file = options.path("mon_http_token_file");
    let exposed = listen.is_some_and(|addr| !addr.ip().is_loopback());
    if exposed && (tls.is_none() || token_file.is_none()) {
        let why = "beyond loopback the endpoint needs both mon_http_tls_cert and mon_http_token_file";
        return Err(options.bad("mon_http_listen", why));
    }
    Ok(HttpSettings {
        listen,
        tls,
        token_file,
        address_file: options.path("mon_http_address_file"),
        connections_max: options.integer("mon_http_connections_max")?,
        patience: options.duration("mon_http_patience")?,
    })
}

fn log(options: &Options, foreground: bool) -> Result<LogSettings, BadValue> {
    let file = if options.boolean("log_to_file")? { options.path("log_file") } else { None };
    let to_cluster_file = options.boolean("mon_cluster_log_to_file")?;
    let filter = match options.text("mon_log_level") {
        Some(filter) => filter,
        None => options.parse("debug_mon", parse_debug_level)?.into(),
    };
    Ok(LogSettings {
        to_stderr: options.boolean("log_to_stderr")? || (foreground && file.is_none()),
        file,
        filter,
        json: options.parse("mon_log_format", |text| match text {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err("use text or json"),
        })?,
        cluster_file: if to_cluster_file { options.path("mon_cluster_log_file") } else { None },
        cluster_to_stderr: options.boolean("mon_cluster_log_to_stderr")?,
    })
}

fn percent(options: &Options, name: &str) -> Result<u8, BadValue> {
    options.parse(name, |text| match text.parse() {
        Ok(percent) if percent <= 100 => Ok(percent),
        Ok(_) | Err(_) => Err("not a percentage"),
    })
}

fn list(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let pair = |part: String| match part.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("use TYPE=NAME pairs, such as datacenter=a rack=b"),
    };
    list(Some(text.into())).into_iter().map(pair).collect()
}

/// Several methods may be listed; cephx among them means cephx, as clients of ours always have it.
fn parse_auth_method(text: &str) -> Result<bool, &'static str> {
    let methods = list(Some(text.into()));
    match methods.iter().find(|method| !matches!(method.as_str(), "cephx" | "none")) {
        Some(_) => Err("use cephx or none"),
        None if methods.is_empty() => Err("use cephx or none"),
        None => Ok(methods.iter().any(|method| method == "cephx")),
    }
}

fn parse_modes(text: &str) -> Result<Vec<Mode>, &'static str> {
    let mode = |word: String| match word.as_str() {
        "secure" => Ok(Mode::Secure),
        "crc" => Ok(Mode::Crc),
        _ => Err("use secure, crc or both"),
    };
    let modes: Vec<Mode> = list(Some(text.into())).into_iter().map(mode).collect::<Result<_, _>>()?;
    if modes.is_empty() { Err("use secure, crc or both") } else { Ok(modes) }
}

fn parse_ciphers(text: &str) -> Result<Vec<CryptoKind>, String> {
    let ciphers = list(Some(text.into()));
    ciphers.iter().map(|word| word.parse::<CryptoKind>().map_err(|error| error.to_string())).collect()
}

fn parse_cipher_policy(text: &str) -> Result<CipherPolicy, &'static str> {
    match text {
        "compatible" => Ok(CipherPolicy::compatible()),
        "strict" => Ok(CipherPolicy::strict()),
        _ => Err("use compatible or strict"),
    }
}

/// Ceph's levels are `N` or `N/M`, the second being for a memory log that we do not have.
fn parse_debug_level(text: &str) -> Result<&'static str, &'static str> {
    let first = text.split('/').next().unwrap_or_default().trim();
    match first.parse::<i8>() {
        Ok(..5) => Ok("info"),
        Ok(5..10) => Ok("debug"),
        Ok(_) => Ok("trace"),
        Err(_) => Err("use a level such as 5 or 5/20"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{Source, Who};

    fn settings(given: &[(&str, &str)]) -> Result<Settings, BadValue> {
        let mut options = Options::new(Who { id: "a".into(), cluster: "ceph".into() });
        for (name, value) in given {
            assert!(options.set(name, *value, Source::CommandLine), "{name}");
        }
        Settings::from_options(&options, true)
    }

    #[test]
    fn defaults_are_those_of_the_parts() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.core, CoreConfig::default());
        assert_eq!(settings.disk, DiskLimits::default());
        assert_eq!(settings.limits.peer, Limits::peer());
        assert_eq!(settings.limits.history, HistoryLimits::default());
        assert_eq!(settings.release, Release::Tentacle);
        assert_eq!(settings.log.filter, "info");
        assert_eq!(settings.modes.service, [Mode::Secure, Mode::Crc]);
        assert_eq!(settings.warnings, Vec::<String>::new());
    }

    #[test]
    fn values_are_checked() {
        let error = |given: &[(&str, &str)]| settings(given).unwrap_err().option;
        assert_eq!(error(&[("fsid", "x")]), "fsid");
        assert_eq!(error(&[("mon_release", "octopus")]), "mon_release");
        assert_eq!(error(&[("mon_host", "1.2.3.4:x")]), "mon_host");
        assert_eq!(error(&[("ms_mon_service_mode", "clear")]), "ms_mon_service_mode");
        assert_eq!(error(&[("mon_data_avail_crit", "101")]), "mon_data_avail_crit");
        assert_eq!(error(&[("mon_http_listen", "0.0.0.0:80")]), "mon_http_listen");
        let half = [("mon_http_listen", "0.0.0.0:80"), ("mon_http_token_file", "t")];
        assert_eq!(error(&half), "mon_http_listen");
        let other_half = [half[0], ("mon_http_tls_cert", "c"), ("mon_http_tls_key", "k")];
        assert_eq!(error(&other_half), "mon_http_listen");
        assert!(settings(&[half[0], half[1], other_half[1], other_half[2]]).is_ok());
        assert_eq!(error(&[("mon_http_tls_cert", "c")]), "mon_http_tls_key");
        assert_eq!(error(&[("mon_http_connections_max", "3")]), "mon_http_connections_max");
        for (name, zero) in [("mon_lease", "0"), ("paxos_min", "0"), ("mon_message_bytes_max", "0K")] {
            assert_eq!(error(&[(name, zero)]), name);
        }
        assert_eq!(error(&[("auth_service_required", "kerberos")]), "auth_service_required");
        assert_eq!(error(&[("auth_cluster_required", "none")]), "auth_cluster_required");
    }

    /// It is part of paths.
    #[test]
    fn a_name_must_not_lead_elsewhere() {
        let named = |id: &str| {
            let options = Options::new(Who { id: id.into(), cluster: "ceph".into() });
            Settings::from_options(&options, true).map(drop).map_err(|error| error.option)
        };
        for bad in ["a/b", "../a", "/a", "..", ".", "a\0b"] {
            assert_eq!(named(bad), Err("name".into()), "{bad}");
        }
        for good in ["a", "host-1.example", "a..b"] {
            assert_eq!(named(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_dangerous_is_said() {
        let settings = settings(&[("auth_service_required", "none")]).unwrap();
        assert!(settings.warnings[0].contains("auth_service_required"), "{:?}", settings.warnings);
        assert!(!settings.auth.service_cephx);
    }
}
