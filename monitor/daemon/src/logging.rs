//! Where log lines go: standard error, a file that can be rotated away (`SIGHUP` opens it anew), or both; as
//! text or as JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mon_types::log::LogEntry;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LogSettings;
use crate::exit::{Exit, Failed};

/// An append-only file that can be opened anew under its name.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

/// The open files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    own: Option<Arc<LogFile>>,
    cluster: Option<Arc<LogFile>>,
    cluster_to_stderr: bool,
}

/// Starts logging for the whole process; to be called once.
///
/// # Errors
/// A log file that cannot be opened, a filter that cannot be understood.
pub(crate) fn start(settings: &LogSettings) -> Result<Logs, Failed> {
    let logs = Logs {
        own: settings.file.as_deref().map(LogFile::open).transpose()?,
        cluster: settings.cluster_file.as_deref().map(LogFile::open).transpose()?,
        cluster_to_stderr: settings.cluster_to_stderr,
    };
    let filter = || {
        EnvFilter::try_new(&settings.filter).map_err(|error| {
            Failed::new(Exit::Configuration, format!("mon_log_level '{}': {error}", settings.filter))
        })
    };
    let base = tracing_subscriber::fmt::layer().with_ansi(false);
    let to_file = logs.own.clone().map(|file| layer(base.with_writer(FileWriter(file)), settings.json));
    let base = tracing_subscriber::fmt::layer().with_ansi(false);
    let to_stderr = settings.to_stderr.then(|| layer(base.with_writer(io::stderr), settings.json));
    let layers: Vec<_> = [to_file, to_stderr].into_iter().flatten().collect();
    let started = tracing_subscriber::registry().with(layers.with_filter(filter()?)).try_init();
    started.map_err(|error| Failed::new(Exit::Failure, error))?;
    Ok(logs)
}

type BoxedLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn layer<W>(
    base: tracing_subscriber::fmt::Layer<
        tracing_subscriber::Registry,
        tracing_subscriber::fmt::format::DefaultFields,
        tracing_subscriber::fmt::format::Format,
        W,
    >,
    json: bool,
) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    if json { base.json().boxed() } else { base.boxed() }
}

impl Logs {
    /// Opens the files anew, after they were moved away.
    pub(crate) fn reopen(&self) {
        for file in [&self.own, &self.cluster].into_iter().flatten() {
            if let Err(error) = file.reopen() {
                // Goes to the old file, which is still open.
                tracing::error!("cannot reopen log file {}: {error}", file.path.display());
            }
        }
    }

    /// Writes entries of the cluster log.
    pub(crate) fn write_cluster_log(&self, entries: &[LogEntry]) {
        let lines: String = entries.iter().map(cluster_line).collect();
        if let Some(file) = &self.cluster {
            // A full disk has its own alarm; the entries are in the store, too.
            let _ = file.lock().write_all(lines.as_bytes());
        }
        if self.cluster_to_stderr {
            let _ = io::stderr().write_all(lines.as_bytes());
        }
    }
}

/// A line as stock monitors write it: stamp, who, count, channel, priority, text.
fn cluster_line(entry: &LogEntry) -> String {
    let stamp = i64::from(entry.stamp.sec) * 1_000_000 + i64::from(entry.stamp.nsec / 1000);
    let stamp = jiff::Timestamp::from_microsecond(stamp).unwrap_or_default();
    let stamp = stamp.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000");
    format!(
        "{stamp} {} ({}) {} : {} {} {}\n",
        entry.name, entry.rank, entry.seq, entry.channel, entry.priority, entry.message
    )
}

impl LogFile {
    fn open(path: &Path) -> Result<Arc<Self>, Failed> {
        let file = append_to(path).map_err(|error| {
            let hint = "create its folder, or set log_to_file / mon_cluster_log_to_file to false";
            Failed::new(
                Exit::Configuration,
                format!("cannot write log file {}: {error}; {hint}", path.display()),
            )
        })?;
        Ok(Arc::new(Self { path: path.into(), file: Mutex::new(file) }))
    }

    fn reopen(&self) -> io::Result<()> {
        *self.lock() = append_to(&self.path)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

struct FileWriter(Arc<LogFile>);

impl<'a> MakeWriter<'a> for FileWriter {
    type Writer = LockedFile<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LockedFile(self.0.lock())
    }
}

struct LockedFile<'a>(MutexGuard<'a, File>);

impl Write for LockedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use mon_types::addr::AddrVec;
    use mon_types::entity::{EntityInstanceName, EntityName, EntityType};
    use mon_types::log::Priority;
    use mon_types::tail::Tail;
    use mon_types::time::UTime;

    use super::*;

    #[test]
    fn cluster_lines_look_like_stocks_and_survive_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ceph.log");
        let logs = Logs { cluster: Some(LogFile::open(&path).unwrap()), ..Logs::default() };
        let entry = LogEntry {
            name: EntityName::new(EntityType::Mon, "a"),
            rank: EntityInstanceName { kind: 1, number: 0 },
            addrs: AddrVec::default(),
            stamp: UTime { sec: 1_763_852_353, nsec: 904_123_456 },
            seq: 12,
            priority: Priority::INFO,
            message: "mon.a is new leader".into(),
            channel: "cluster".into(),
            tail: Tail::default(),
        };
        let line = "2025-11-22T22:59:13.904123+0000 mon.a (mon.0) 12 : cluster [INF] mon.a is new leader\n";
        logs.write_cluster_log(std::slice::from_ref(&entry));
        std::fs::rename(&path, folder.path().join("ceph.log.1")).unwrap();
        logs.write_cluster_log(std::slice::from_ref(&entry));
        logs.reopen();
        logs.write_cluster_log(&[entry]);
        assert_eq!(std::fs::read_to_string(folder.path().join("ceph.log.1")).unwrap(), line.repeat(2));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
        assert_eq!(LogFile::open(&folder.path().join("none/x")).unwrap_err().exit, Exit::Configuration);
    }
}
