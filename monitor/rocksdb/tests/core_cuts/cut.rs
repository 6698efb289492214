//! One disk as a cut leaves it, and the core started on it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mon_core::config::Config;
use mon_core::effect::Effect;
use mon_core::event::Event;
use mon_core::identity::Identity;
use mon_core::monitor::Monitor;
use mon_core::now::Now;
use mon_rocksdb::{TableFormat, open};
use mon_sim::Registers;
use mon_sim::process::Process;
use mon_store::{Digest, KvStore};
use mon_types::kv::KvRead;
use mon_types::message::{MMonProbe, Message, ProbeOp};
use mon_types::time::UTime;

use crate::folder::{self, Files};
use crate::said::{self, Said};

/// What a disk writes at once, whatever happens.
const SECTOR: usize = 512;
/// Cuts in the midst of one write.
const TEARS_MAX: usize = 2;
/// One in so many is looked at by the whole monitor, the others by its agreeing half.
const WHOLE_EVERY: usize = 16;
/// After so many failures the rest is not tried.
const FAILURES_MAX: usize = 8;

/// What is left of a disk, and what must be on it.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) what: String,
    pub(crate) left: Arc<Files>,
    /// The last write goes up to a byte of this file only.
    pub(crate) torn: Option<Torn>,
    /// What every prefix holds.
    pub(crate) content: Arc<Vec<(String, Digest)>>,
    pub(crate) said: Said,
    pub(crate) identity: Identity,
    pub(crate) config: Config,
}

/// A write that got to the disk in part.
#[derive(Debug, Clone)]
pub(crate) struct Torn {
    path: String,
    length: usize,
    /// The rest of it reads as zeros, rather than the file ending.
    zeros: bool,
}

/// Where a write to a log can be torn.
pub(crate) fn tears(before: &Files, after: &Files) -> Vec<Torn> {
    let length = |files: &Files, path: &str| files.get(path).and_then(Option::as_ref).map_or(0, Vec::len);
    let Some(path) = after.keys().find(|path| {
        path.ends_with(".log") && before.contains_key(*path) && length(after, path) > length(before, path)
    }) else {
        return Vec::new();
    };
    let (from, to) = (length(before, path), length(after, path));
    let boundaries: Vec<usize> = (from + 1..to).filter(|at| at % SECTOR == 0).collect();
    let each = boundaries.len().div_ceil(TEARS_MAX).max(1);
    let content = after.get(path).and_then(Option::as_ref);
    // Where the rest is zeros anyway, the write got there whole.
    let same = |length: usize| content.is_some_and(|content| content[length..].iter().all(|byte| *byte == 0));
    let torn = |(index, length)| Torn { path: path.clone(), length, zeros: index % 2 == 1 && !same(length) };
    boundaries.into_iter().step_by(each).enumerate().map(torn).collect()
}

/// What came of all cuts.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    cuts: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Verdict {
    pub(crate) fn into_parts(self) -> (usize, Vec<String>) {
        (self.cuts.into_inner(), self.failures.into_inner().unwrap())
    }
}

pub(crate) fn check_all(waiting: &Mutex<Receiver<Cut>>, place: &Path, verdict: &Verdict) {
    loop {
        let next = waiting.lock().unwrap().recv();
        let Ok(cut) = next else { return };
        if verdict.failures.lock().unwrap().len() >= FAILURES_MAX {
            continue;
        }
        let number = verdict.cuts.fetch_add(1, Ordering::Relaxed);
        let mut left = Files::clone(&cut.left);
        if let Some(torn) = &cut.torn
            && let Some(Some(content)) = left.get_mut(&torn.path)
        {
            let whole = content.len();
            content.truncate(torn.length);
            if torn.zeros {
                content.resize(whole, 0);
            }
        }
        folder::put(&left, place);
        // The services read their state like the rest, but take much longer: they parse Ceph's commands first.
        let checked = match number % WHOLE_EVERY {
            0 => check::<Monitor>(&cut, place),
            _ => check::<Registers>(&cut, place),
        };
        if let Err(why) = checked {
            verdict.failures.lock().unwrap().push(format!("{}, {:?}: {why}", cut.what, cut.torn));
        }
    }
}

fn check<P: Process>(cut: &Cut, place: &Path) -> Result<(), String> {
    let store = open(place, TableFormat::Reef).map_err(|error| format!("does not open: {error}"))?;
    for (prefix, wanted) in cut.content.iter() {
        if store.digest(prefix).map_err(|error| error.to_string())? != *wanted {
            return Err(format!("{prefix} is not as it was written"));
        }
    }
    said::makes_sense(&store)?;
    cut.said.is_borne_out(&store)?;

    let boot = P::boot(cut.identity.clone(), cut.config.clone(), [7; 32], &store);
    let mut core = boot.map_err(|halt| format!("the core does not start: {halt}"))?;
    let mut mono = Duration::from_secs(5);
    let mut answer = None;
    let ask = MMonProbe::new(cut.identity.fsid, ProbeOp::Probe, "z");
    let ask = Event::PeerMessage { peer: mon_sim::node::addrs(25), message: Message::Probe(ask).with_tid(0) };
    let mut events = vec![ask, Event::Started];
    // It starts, writes what it must, and is asked what it has; nobody else is there.
    for _ in 0..20 {
        let event = events.pop().unwrap_or(Event::Deadline);
        let now = Now { mono, wall: UTime::from_duration(Duration::from_secs(1_800_000_000) + mono) };
        core.handle(now, &store, event);
        for effect in core.effects() {
            match effect {
                Effect::Persist { id, transaction, sync } => {
                    store.apply(&[transaction], sync).map_err(|error| error.to_string())?;
                    events.push(Event::Persisted(id));
                }
                Effect::Send { message, .. } => {
                    if let Message::Probe(m) = message.message
                        && m.op == ProbeOp::Reply
                    {
                        answer = Some(m);
                    }
                }
                Effect::Halt(halt) => return Err(format!("the core stops: {halt}")),
                _ => {}
            }
        }
        mono = core.next_deadline().unwrap_or(mono).max(mono);
    }
    cut.said.is_borne_out(&store).map_err(|why| format!("after the start, {why}"))?;
    let half_synced = store.read_u64("mon_sync", "in_sync").map_err(|error| error.to_string())?.is_some();
    let last = if half_synced { 0 } else { said::number(&store, "paxos", "last_committed")? };
    let core_has = core.consensus().last_committed().0;
    let tells = answer.map(|m| m.paxos_last_version.0);
    if core_has != last || tells != Some(last) {
        return Err(format!("version {last} is committed; the core has {core_has} and tells {tells:?}"));
    }
    Ok(())
}
