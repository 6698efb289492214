//! A power cut after every call that changes a file.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mon_rocksdb::{RocksStore, TableFormat, create};
use mon_store::KvStore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::disk::{Disk, Hole, Left, NamesLeft, SECTOR};
use crate::folder;
use crate::recording::{self, Call};
use crate::workload::{self, Content};
use crate::{keep, open_again};

/// How many writes are recorded; more of them, more points.
const WRITES: &str = "MON_CRASH_WRITES";
const WRITES_DEFAULT: u64 = 560;
/// The process that is recorded: folder, first write, the one after the last, whether it ends well.
const CHILD: &str = "MON_CRASH_CHILD";

/// Cuts per write at sector boundaries; of large writes, evenly chosen ones.
const TEARS_MAX: usize = 24;
/// Random leftovers per call.
const SCATTERED: usize = 5;
const WORKERS: usize = 2;

/// Not a test by itself: what is recorded.
#[test]
fn child() {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let mut orders = orders.split('|');
    let mut next = || orders.next().unwrap();
    let (data, from, to, ends_well) = (PathBuf::from(next()), next(), next(), next());
    workload::run(&data, from.parse().unwrap(), to.parse().unwrap(), ends_well == "well");
}

/// One cut: what is left, and what had been acknowledged.
struct Point {
    what: String,
    left: Left,
    acknowledged: u64,
}

#[derive(Default)]
struct Counts {
    points: AtomicU64,
    made_again: AtomicU64,
    written_on: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// After so many the rest is not tried.
const FAILURES_MAX: usize = 10;

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_is_cut() {
    if !recording::available() {
        eprintln!("SKIPPED: no strace, or no right to trace: crash points are not tried");
        return;
    }
    let writes = std::env::var(WRITES).map_or(WRITES_DEFAULT, |text| text.parse().unwrap());
    let scratch = folder::scratch("mon-faults-");
    let data = scratch.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let contents = workload::contents(writes);
    let counts = Counts::default();
    let (points, waiting) = sync_channel(64);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (waiting, contents, counts) = (&waiting, &contents, &counts);
            let place = scratch.path().join(format!("cut-{worker}"));
            scope.spawn(move || check_all(waiting, &place, contents, counts));
        }
        // A fresh store that ends well, one that dies, one that finds what the dead one left, and the end.
        let (a, b, c) = (writes / 4, writes / 2, writes * 3 / 4);
        let mut cutter = Cutter::new(points);
        for (from, to, ends) in [(1, a, "well"), (a, b, "dead"), (b, c, "dead"), (c, writes + 1, "well")] {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "crash::child", "--nocapture"]);
            child.env(CHILD, format!("{}|{from}|{to}|{ends}", data.display()));
            for call in recording::record(&data, &child) {
                cutter.play(&call);
            }
            assert_eq!(cutter.disk.all(), folder::take(&data).unwrap(), "the play is not what happened");
        }
        assert_eq!(cutter.acknowledged, writes - writes % 3);
    });
    let failures = counts.failures.into_inner().unwrap();
    assert!(failures.is_empty(), "after a cut:\n{}", failures.join("\n"));
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "crash points: {} cuts of {writes} writes, all acknowledged ones there; {} before the store was made; \
         {} written on and opened again",
        count(&counts.points),
        count(&counts.made_again),
        count(&counts.written_on)
    );
    assert!(count(&counts.points) >= 18 * writes, "too few cuts: is something not recorded?");
}

/// Plays calls and offers what a cut after each of them may leave.
struct Cutter {
    disk: Disk,
    acknowledged: u64,
    number: u64,
    rng: ChaCha8Rng,
    seen: BTreeSet<u64>,
    points: SyncSender<Point>,
}

impl Cutter {
    fn new(points: SyncSender<Point>) -> Self {
        Self {
            disk: Disk::default(),
            acknowledged: 0,
            number: 0,
            rng: ChaCha8Rng::seed_from_u64(1),
            seen: BTreeSet::new(),
            points,
        }
    }

    fn play(&mut self, call: &Call) {
        self.number += 1;
        self.disk.play(call);
        match call {
            Call::Said(said) => {
                self.acknowledged = workload::acknowledged(said).unwrap_or(self.acknowledged);
                self.offer("acknowledged, then cut", self.disk.only_durable(NamesLeft::None));
            }
            Call::SyncBegins { .. } => {}
            // RocksDB's notes for people are no data.
            Call::Append { path, .. } if path.contains("/LOG") => {}
            Call::Append { path, .. } | Call::WriteAt { path, .. } => {
                self.cut();
                self.tear(path);
            }
            Call::Open { .. }
            | Call::SetLength { .. }
            | Call::SyncEnds { .. }
            | Call::Rename { .. }
            | Call::Remove { .. }
            | Call::MakeFolder { .. }
            | Call::RemoveFolder { .. } => self.cut(),
        }
    }

    fn cut(&mut self) {
        self.offer("all un-synced lost", self.disk.only_durable(NamesLeft::None));
        self.offer("un-synced data lost, names not", self.disk.only_durable(NamesLeft::All));
        if self.disk.names_pending() > 1 {
            let half = NamesLeft::First(self.disk.names_pending() / 2);
            self.offer("un-synced data and some names lost", self.disk.only_durable(half));
        }
        self.offer("killed", self.disk.all());
        for _ in 0..SCATTERED {
            let left = self.disk.scattered(&mut self.rng);
            self.offer("scattered", left);
        }
    }

    fn tear(&mut self, path: &str) {
        let Some((offset, length)) = self.disk.last_write(path) else { return };
        let to_boundary = SECTOR - offset as usize % SECTOR;
        let boundaries: Vec<usize> = (to_boundary..length).step_by(SECTOR).collect();
        let each = boundaries.len().div_ceil(TEARS_MAX).max(1);
        let kept = std::iter::once(0).chain(boundaries.into_iter().step_by(each));
        for (index, keep) in kept.enumerate() {
            for hole in [Hole::End, Hole::Zeros, Hole::Rubbish] {
                let left = self.disk.torn(path, keep, hole, index % 2 == 0);
                self.offer(&format!("torn {path} after {keep} of {length} bytes, {hole:?}"), left);
            }
        }
    }

    /// Each leftover once for what had been acknowledged by then.
    fn offer(&mut self, what: &str, left: Left) {
        let mut hasher = DefaultHasher::new();
        (&left, self.acknowledged).hash(&mut hasher);
        if self.seen.insert(hasher.finish()) {
            let what = format!("call {}: {what}", self.number);
            // Fails when a worker has failed: the test is failing then.
            let _ = self.points.send(Point { what, left, acknowledged: self.acknowledged });
        }
    }
}

fn check_all(waiting: &Mutex<Receiver<Point>>, place: &Path, contents: &[Content], counts: &Counts) {
    loop {
        let next = waiting.lock().unwrap().recv();
        let Ok(point) = next else { return };
        if counts.failures.lock().unwrap().len() >= FAILURES_MAX {
            continue;
        }
        let number = counts.points.fetch_add(1, Ordering::Relaxed);
        folder::put(&point.left, place);
        if let Err(why) = check(&point, number, place, contents, counts) {
            folder::put(&point.left, place);
            let kept = keep(place, &number.to_string());
            let failure = format!("{}: {why}; the files are in {}", point.what, kept.display());
            counts.failures.lock().unwrap().push(failure);
        }
    }
}

fn check(
    point: &Point,
    number: u64,
    place: &Path,
    contents: &[Content],
    counts: &Counts,
) -> Result<(), String> {
    let store = match open_again(place) {
        Ok(store) => store,
        Err(_) if point.acknowledged == 0 => {
            counts.made_again.fetch_add(1, Ordering::Relaxed);
            create(place, TableFormat::Reef).map_err(|error| format!("cannot be made again: {error}"))?
        }
        Err(error) => return Err(format!("does not open: {error}")),
    };
    let there = workload::writes_in(&store).map_err(|error| error.to_string())?;
    let there = there.ok_or("a write is there in part")?;
    if there < point.acknowledged {
        return Err(format!("{} were acknowledged, {there} are there", point.acknowledged));
    }
    let content = |store: &RocksStore| workload::content(store).map_err(|error| error.to_string());
    if content(&store)? != contents[there as usize] {
        return Err(format!("what is there is not what {there} writes leave"));
    }
    if number.is_multiple_of(8) && there + 1 < contents.len() as u64 {
        counts.written_on.fetch_add(1, Ordering::Relaxed);
        store.apply(&[workload::write(there + 1)], true).map_err(|error| error.to_string())?;
        drop(store);
        let store = open_again(place).map_err(|error| format!("written on, does not open: {error}"))?;
        if content(&store)? != contents[there as usize + 1] {
            return Err(format!("what was written on top of {there} is not there"));
        }
    }
    Ok(())
}
