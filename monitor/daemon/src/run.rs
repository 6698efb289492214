//! Running a monitor: puts the parts together, starts them, waits for the end.
//!
//! ```text
//!  main thread:     Engine (owns the core)
//!  store-writer:    writes and syncs
//!  worker threads:  network, HTTP, admin socket, measurements
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mon_cephx::view::{AuthView, TicketTtl};
use mon_core::command::table::Table;
use mon_core::effect::{Halt, WriteId};
use mon_core::event::{DiskUse, Event};
use mon_core::identity::Identity;
use mon_core::monitor::Monitor;
use mon_core::settings::Settings as ServiceSettings;
use mon_core::status::Status;
use mon_store::{DiskSpace, KvStore, Writer};
use mon_types::auth::EntityAuth;
use mon_types::features::{Features, MonFeatures};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::Settings;
use crate::engine::{Engine, Outlets};
use crate::exit::{Exit, Failed};
use crate::feed::Feed;
use crate::handle::{CoreHandle, Published};
use crate::http::metrics::Metrics;
use crate::latency::Latencies;
use crate::logging::{self, Logs};
use crate::net::{self, NetConfig};
use crate::process::Process;
use crate::queue::{self, EventSender};
use crate::requests::Requests;
use crate::start::{self, PidFile, Prepared};
use crate::{detach, endpoints, host};

/// How many events of peers, and of clients, may wait for the core.
const PEER_EVENTS_MAX: usize = 4096;
const CLIENT_EVENTS_MAX: usize = 4096;
/// How often the disk is measured.
const DISK_INTERVAL: Duration = Duration::from_secs(10);
/// What is still being sent when the core has halted gets this long.
const FLUSH_TIME: Duration = Duration::from_millis(100);
/// Tasks that do not end by themselves are given up after this.
const SHUTDOWN_TIME: Duration = Duration::from_millis(500);
/// Recent key changes and log lines that watchers may catch up on.
const FEED_ENTRIES_MAX: usize = 100_000;
const FEED_BYTES_MAX: usize = 16 << 20;

/// Runs the monitor of the settings until it ends.
pub(crate) fn run(settings: &Settings) -> Result<Exit, Failed> {
    if !settings.process.foreground && !detach::is_detached() {
        return detach::detach();
    }
    // Becomes another user if asked to, which must come before any thread.
    let prepared = start::prepare(settings)?;
    let _pid_file = settings.process.pid_file.as_deref().map(PidFile::write).transpose()?;
    let logs = logging::start(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)))
        .thread_name("mon-worker")
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot start threads: {error}")))?;
    let exit = runtime.block_on(serve(settings, prepared, logs));
    runtime.shutdown_timeout(SHUTDOWN_TIME);
    exit
}

async fn serve(settings: &Settings, prepared: Prepared, logs: Logs) -> Result<Exit, Failed> {
    let identity = identity(settings, &prepared);
    let Identity { name, fsid, addrs, .. } = &identity;
    info!(%name, %fsid, %addrs, release = settings.release.name(), "starting");

    let clock = Clock::new();
    let store: Arc<dyn KvStore> = prepared.store.clone();
    let mut core = settings.core.clone();
    core.services = service_settings(settings, &prepared);
    let auth = Arc::new(ArcSwap::from_pointee(closed_auth(&core.services)));
    let (events, inbox) = queue::channel(PEER_EVENTS_MAX, CLIENT_EVENTS_MAX);
    let requests = Requests::new(events.clone());
    let config = net_config(settings, &prepared, &identity);
    let monitor = Monitor::new(identity, core, rand::random(), &*store).map_err(|halt| failed_by(&halt))?;
    let metrics = Arc::new(Metrics::default());
    let writer = start_writer(store.clone(), events.clone(), metrics.clone())?;
    let net = net::start(config, auth.clone(), events.clone(), requests.clone(), clock)
        .await
        .map_err(|error| Failed::new(Exit::of_bind(&error), error))?;

    let (status, status_reader) = watch::channel(Arc::new(Status::default()));
    let kv = Arc::new(Feed::new(FEED_ENTRIES_MAX, FEED_BYTES_MAX));
    let log = Arc::new(Feed::new(FEED_ENTRIES_MAX, FEED_BYTES_MAX));
    let published = Published { status: status_reader, kv: kv.clone(), log: log.clone() };
    let handle = CoreHandle::new(requests.clone(), published);
    watch_signals(&events, logs.clone())?;
    tokio::spawn(measure_disk(settings.data.clone(), events.clone()));
    let _endpoints = endpoints::open(settings, &handle, metrics.clone()).await?;
    detach::report_ready();

    let latencies = Latencies::new(metrics);
    let process = Process::new(settings.shown.clone(), logs.clone());
    let outlets = Outlets { auth, status, kv, log, logs };
    let engine =
        Engine { monitor, store, writer, net: net.clone(), requests, clock, outlets, latencies, process };
    let halt = engine.run(inbox).await;
    tokio::time::sleep(FLUSH_TIME).await;
    net.stop().await;
    match halt {
        Halt::Terminated => {
            info!("{halt}");
            Ok(Exit::Success)
        }
        Halt::Removed | Halt::StoreDamaged(_) | Halt::FeaturesMissing(_) | Halt::Invariant(_) => {
            error!("{halt}");
            Err(failed_by(&halt))
        }
    }
}

fn identity(settings: &Settings, prepared: &Prepared) -> Identity {
    let release = settings.release;
    let mut metadata = host::metadata(&prepared.addrs, release);
    metadata.extend(settings.crush_location.iter().cloned());
    metadata.extend(host::creation(&settings.data));
    Identity {
        name: settings.name.clone(),
        addrs: prepared.addrs.clone(),
        fsid: prepared.fsid,
        release,
        features: Features::all(release),
        mon_features: MonFeatures::all(release),
        metadata,
        command_table: Table::for_release(release).sharing(),
        extra_probe_peers: prepared.seeds.clone(),
    }
}

fn service_settings(settings: &Settings, prepared: &Prepared) -> ServiceSettings {
    ServiceSettings {
        mon_key: EntityAuth { key: prepared.mon_key.clone(), ..EntityAuth::default() },
        ciphers: settings.ciphers.clone(),
        allow_insecure_key: settings.auth.allow_insecure_key,
        emergency_allowed_ciphers: settings.auth.emergency_allowed_ciphers.clone(),
        allow_insecure_reclaim: settings.auth.allow_insecure_global_id_reclaim,
        allow_none: !settings.auth.service_cephx,
        ticket_ttl: TicketTtl {
            auth: settings.auth.auth_ticket_ttl,
            service: settings.auth.service_ticket_ttl,
        },
        sessions_max: settings.limits.client.sessions_max,
        operations_bytes_max: settings.limits.client_bytes_max,
        session_timeout: settings.limits.session_timeout,
        kv_value_bytes_max: settings.limits.config_key_bytes_max,
        history: settings.limits.history.clone(),
        disk_warn_percent: u64::from(settings.disk.warn_percent),
        disk_error_percent: u64::from(settings.disk.stop_percent),
        ..ServiceSettings::default()
    }
}

/// What handshakes are judged by until the core has looked at its store: monitors may come, clients wait.
fn closed_auth(services: &ServiceSettings) -> AuthView {
    AuthView {
        ready: false,
        entities: Arc::default(),
        rotating: Arc::default(),
        mon: services.mon_key.clone(),
        allowed_ciphers: services.ciphers.allowed.iter().map(|cipher| cipher.0).collect(),
        service_cipher: services.ciphers.service.0,
        allow_none: services.allow_none,
        allow_insecure_reclaim: services.allow_insecure_reclaim,
        ttl: services.ticket_ttl,
    }
}

fn net_config(settings: &Settings, prepared: &Prepared, identity: &Identity) -> NetConfig {
    let mut config = NetConfig::new(prepared.addrs.clone(), vec![prepared.bind], identity.features);
    config.cluster_modes.clone_from(&settings.modes.cluster);
    config.client_modes.clone_from(&settings.modes.service);
    config.client_limits = Arc::new(settings.limits.client.clone());
    config.client_bytes_max = settings.limits.client_bytes_max;
    config.peer_limits = Arc::new(settings.limits.peer.clone());
    config
}

/// A write that fails ends the process at once: nothing that depends on it may leave, and what reached the
/// disk is unknown.
fn start_writer(
    store: Arc<dyn KvStore>,
    events: EventSender,
    metrics: Arc<Metrics>,
) -> Result<Writer, Failed> {
    let report = move |round: Result<mon_store::Round, mon_store::WriteFailed>| match round {
        Ok(round) => {
            if round.synced {
                metrics.observe_fsync(round.took);
            }
            // The engine has ended when this fails, and waits for nothing any more.
            let _ended = events.internal(Event::Persisted(WriteId(round.last)));
        }
        Err(failed) => {
            error!("{failed}");
            eprintln!("mon: {failed}");
            std::process::exit(Exit::WriteFailed as i32);
        }
    };
    Writer::start(store, report)
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot start the store writer: {error}")))
}

fn watch_signals(events: &EventSender, logs: Logs) -> Result<(), Failed> {
    let failed = |error: std::io::Error| Failed::new(Exit::Failure, format!("cannot watch signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let events = events.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => info!("asked to end"),
                Some(()) = interrupt.recv() => info!("interrupted"),
                Some(()) = hangup.recv() => {
                    logs.reopen();
                    continue;
                }
            }
            if events.internal(Event::Terminate).is_err() {
                return;
            }
        }
    });
    Ok(())
}

async fn measure_disk(data: PathBuf, events: EventSender) {
    let mut interval = tokio::time::interval(DISK_INTERVAL);
    loop {
        interval.tick().await;
        let space = match DiskSpace::measure(&data) {
            Ok(space) => space,
            Err(error) => {
                warn!("cannot measure the disk under {}: {error}", data.display());
                continue;
            }
        };
        let disk = DiskUse {
            bytes_total: space.bytes_total,
            bytes_available: space.bytes_available,
            bytes_store: store_bytes(&data.join("store.db")),
        };
        if events.internal(Event::Disk(disk)).is_err() {
            return;
        }
    }
}

/// The store's files come and go while they are counted; one that has gone counts nothing.
fn store_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn failed_by(halt: &Halt) -> Failed {
    let exit = match halt {
        Halt::Terminated => Exit::Success,
        Halt::Removed => Exit::Removed,
        Halt::StoreDamaged(error) => Exit::of_store(error),
        Halt::FeaturesMissing(_) => Exit::FeaturesMissing,
        Halt::Invariant(_) => Exit::Invariant,
    };
    Failed::new(exit, halt)
}
