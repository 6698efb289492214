//! From the command line to what does the work.

use std::path::Path;

use clap::Parser;
use mon_rocksdb::TableFormat;
use mon_store::KvStore;
use mon_types::encode::{Decode, Encode};
use mon_types::monmap::MonMap;

use crate::args::{Action, Cli, Command, Job, ceph_mon};
use crate::bench::{self, BenchArgs};
use crate::config::Settings;
use crate::config::options::Options;
use crate::exit::{Exit, Failed};
use crate::mkfs::Made;
use crate::{check, ctl, dev, mkfs, monmap_store, run};

/// Reads the command line of this process and does what it says.
pub(crate) fn main() -> Result<Exit, Failed> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    if Path::new(&program).file_name().is_some_and(|name| name == "ceph-mon") {
        return ceph_mon(arguments);
    }
    match Cli::parse().command {
        Command::Run { monitor, background } => {
            perform(Action::Run { foreground: !background }, &monitor.options()?)
        }
        Command::Mkfs { monitor, monmap } => perform(Action::Mkfs { monmap }, &monitor.options()?),
        Command::ExtractMonmap { monitor, file } => perform(Action::ExtractMonmap(file), &monitor.options()?),
        Command::InjectMonmap { monitor, file } => perform(Action::InjectMonmap(file), &monitor.options()?),
        Command::Ctl(ctl) => {
            ctl::run(ctl, &mut std::io::stdout().lock())
                .map_err(|error| Failed::new(Exit::Failure, error))?;
            Ok(Exit::Success)
        }
        Command::Bench(args) => run_bench(args),
        Command::Dev(arguments) => dev::run(arguments),
        Command::CephMon { arguments } => ceph_mon(arguments),
    }
}

fn run_bench(args: BenchArgs) -> Result<Exit, Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::new(Exit::Failure, error.to_string());
    let runtime = tokio::runtime::Runtime::new().map_err(|error| failed(&error))?;
    runtime.block_on(bench::run(args)).map_err(|error| failed(&error))?;
    Ok(Exit::Success)
}

fn ceph_mon(arguments: impl IntoIterator<Item = String>) -> Result<Exit, Failed> {
    match ceph_mon::parse(arguments, |name| std::env::var(name).ok())? {
        Job::Do { action, options } => perform(action, &options),
        Job::Help => {
            println!("{}", ceph_mon::HELP);
            Ok(Exit::Success)
        }
        Job::Version => {
            println!("moncluster {}", env!("CARGO_PKG_VERSION"));
            Ok(Exit::Success)
        }
    }
}

fn perform(action: Action, options: &Options) -> Result<Exit, Failed> {
    let foreground = !matches!(action, Action::Run { foreground: false });
    let settings = Settings::from_options(options, foreground)?;
    for warning in &settings.warnings {
        eprintln!("mon: warning: {warning}");
    }
    match action {
        Action::Run { .. } => return run::run(&settings),
        Action::Mkfs { monmap } => {
            let data = settings.data.display();
            match mkfs::mkfs(&settings, monmap.as_deref())? {
                Made::New(fsid) => println!("made mon.{} of cluster {fsid} in {data}", settings.name),
                Made::Already(fsid) => {
                    println!("{data} already holds a monitor of cluster {fsid}; left as it is")
                }
            }
        }
        Action::ExtractMonmap(path) => extract_monmap(&settings, &path)?,
        Action::InjectMonmap(path) => inject_monmap(&settings, &path)?,
    }
    Ok(Exit::Success)
}

fn extract_monmap(settings: &Settings, path: &Path) -> Result<(), Failed> {
    let store = mon_rocksdb::peek(&settings.data)?;
    check::check(&store, settings.fsid, settings.release)?;
    let Some(monmap) = monmap_store::newest(&store)? else {
        return Err(Failed::new(Exit::StoreDamaged, "the store holds no monmap"));
    };
    std::fs::write(path, monmap.to_bytes())
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot write {}: {error}", path.display())))?;
    println!("wrote monmap epoch {} to {}", monmap.epoch, path.display());
    Ok(())
}

fn inject_monmap(settings: &Settings, path: &Path) -> Result<(), Failed> {
    let bad = |why: String| Failed::new(Exit::Configuration, format!("monmap {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let monmap = MonMap::from_bytes(&bytes).map_err(|error| bad(error.to_string()))?;
    let peeked = mon_rocksdb::peek(&settings.data)?;
    let fsid = check::check(&peeked, settings.fsid, settings.release)?;
    drop(peeked);
    if monmap.fsid != fsid {
        return Err(Failed::new(
            Exit::WrongFsid,
            format!("the monmap is of cluster {}, the store of {fsid}", monmap.fsid),
        ));
    }
    let store = mon_rocksdb::open(&settings.data, TableFormat::for_release(settings.release.number().0))?;
    let (injected, transaction) = monmap_store::injection(&store, monmap)?;
    store.apply(&[transaction], true)?;
    println!("injected as monmap epoch {}", injected.epoch);
    Ok(())
}
