//! What is done to a cluster, and how it is seen that it really happened.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::disk::Slow;
use crate::member::was_killed;
use crate::network::Link;

/// A class of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A minority dies by SIGKILL and is started again.
    Kill,
    /// A minority is stopped, and continued after the others have chosen a leader.
    Pause,
    /// A minority and the rest hear nothing of each other. Clients hear both.
    Partition,
    /// One hears nobody, or nobody hears it.
    OneWay,
    /// Two do not hear each other; everybody else does.
    OneLink,
    /// Disks of a minority are full.
    DiskFull,
    /// Disks of a minority stand still most of the time.
    DiskSlow,
    /// Wall clocks jump; some monitors are killed and started while theirs is off.
    Clock,
    /// A member, dead or alive, is replaced by a new one in one step.
    Replace,
    /// All are killed at once.
    PowerCut,
}

impl Class {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Kill,
        Self::Pause,
        Self::Partition,
        Self::OneWay,
        Self::OneLink,
        Self::DiskFull,
        Self::DiskSlow,
        Self::Clock,
        Self::Replace,
        Self::PowerCut,
    ];

    /// How people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::OneWay => "one-way",
            Self::OneLink => "one-link",
            Self::DiskFull => "disk-full",
            Self::DiskSlow => "disk-slow",
            Self::Clock => "clock",
            Self::Replace => "replace",
            Self::PowerCut => "power-cut",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A fault that is going on.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What it is, with names.
    pub(crate) what: String,
    /// How long it should last at least.
    pub(crate) lasts: Duration,
    /// Whether clients must be served while it goes on. If so it lasts until they are.
    pub(crate) served: bool,
    state: State,
}

/// What has to be undone, and looked at until then.
#[derive(Debug)]
enum State {
    Dead(Vec<usize>),
    Stopped(Vec<usize>),
    Cut(BTreeSet<Link>),
    Full(Vec<usize>),
    Slow(Vec<(usize, Slow)>),
    Off(Vec<(usize, i64)>),
    Replaced,
}

/// Who is gone for less is not replaced as the leader.
const SHORT: Duration = Duration::from_secs(1);
/// By how much a clock may differ from what it was set to.
const CLOCK_BLUR_S: i64 = 4;
/// A synced write that takes so long was held up.
const SLOW_WRITE: Duration = Duration::from_millis(100);
/// No longer than this goes without such a write.
const SLOW_PERIOD: Duration = Duration::from_secs(1);
/// Exit codes of docs/exit-codes.md.
const NO_SPACE: i32 = 25;
const WRITE_FAILED: i32 = 27;
const REMOVED: i32 = 40;

/// Begins a fault. None when it did not happen: then nothing is going on.
pub(crate) fn begin(class: Class, cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    match class {
        Class::Kill => {
            let victims = minority(cluster, rng);
            kill(cluster, victims, 800)
        }
        Class::PowerCut => {
            let mut all: Vec<usize> = (0..cluster.members.len()).collect();
            all.shuffle(rng);
            kill(cluster, all, 0)
        }
        Class::Pause => pause(cluster, rng),
        Class::Partition => {
            let few = minority(cluster, rng);
            let what = format!("{} cut off from the others", names(cluster, &few));
            let apart = |from: usize, to: usize| few.contains(&from) != few.contains(&to);
            cut(cluster, what, apart)
        }
        Class::OneWay => {
            let one = victim(cluster, rng);
            let deaf = rng.random();
            let what = format!("{} {}", names(cluster, &[one]), if deaf { "is deaf" } else { "is mute" });
            cut(cluster, what, |from, to| if deaf { to == one } else { from == one })
        }
        Class::OneLink => {
            let one = victim(cluster, rng);
            let others: Vec<usize> = (0..cluster.members.len()).filter(|index| *index != one).collect();
            let other = *others.choose(rng).context("a cluster of one")?;
            let what = format!("no link between {}", names(cluster, &[one, other]));
            cut(cluster, what, |from, to| [from, to] == [one, other] || [from, to] == [other, one])
        }
        Class::DiskFull => fill(cluster, rng),
        Class::DiskSlow => slow(cluster, rng),
        Class::Clock => set_clocks(cluster, rng),
        Class::Replace => replace(cluster, rng),
    }
}

impl Fault {
    /// Whether it is still going on, seen from outside.
    pub(crate) fn goes_on(&self, cluster: &mut Cluster) -> Result<bool> {
        Ok(match &self.state {
            State::Dead(victims) => victims.iter().all(|index| cluster.members[*index].pid().is_none()),
            State::Stopped(victims) => {
                victims.iter().all(|index| cluster.members[*index].process_state() == Some('T'))
            }
            State::Cut(links) => dead_links(cluster)? == *links,
            State::Full(victims) => {
                // What the monitor gave back meanwhile is taken, too.
                victims
                    .iter()
                    .map(|index| cluster.members[*index].disk.fill())
                    .all(|full| matches!(full, Ok(true)))
            }
            State::Slow(victims) => {
                for (index, _) in victims {
                    let start = Instant::now();
                    while cluster.members[*index].disk.write_takes()? < SLOW_WRITE {
                        if start.elapsed() > SLOW_PERIOD * 3 {
                            return Ok(false);
                        }
                    }
                }
                true
            }
            State::Off(victims) => victims.iter().all(|(index, offset)| shows(cluster, *index, *offset)),
            State::Replaced => true,
        })
    }

    /// Undoes it. Processes that ended of it are started again.
    pub(crate) fn heal(self, cluster: &mut Cluster) -> Result<()> {
        match self.state {
            State::Dead(victims) => victims.into_iter().try_for_each(|index| cluster.start(index)),
            State::Stopped(victims) => {
                victims.into_iter().try_for_each(|index| cluster.members[index].signal(Signal::CONT))
            }
            State::Cut(_) => {
                cluster.network.block(BTreeSet::new())?;
                let dead = dead_links(cluster)?;
                ensure!(dead.is_empty(), "links are still dead: {dead:?}");
                Ok(())
            }
            State::Full(victims) => {
                for index in victims {
                    cluster.members[index].disk.free()?;
                    if let Some(ended) = cluster.members[index].ended()? {
                        let name = &cluster.members[index].name;
                        ensure!(
                            matches!(ended.code(), Some(NO_SPACE | WRITE_FAILED)),
                            "on a full disk mon.{name} ended with {ended}"
                        );
                        cluster.start(index)?;
                    }
                }
                Ok(())
            }
            State::Slow(victims) => {
                for (index, slow) in victims {
                    ensure!(slow.end()? > 0, "the disk of {} never stood still", names(cluster, &[index]));
                }
                Ok(())
            }
            State::Off(victims) => {
                victims.iter().try_for_each(|(index, _)| cluster.members[*index].set_clock(0))?;
                for (index, _) in victims {
                    wait::until("a clock to be right again", Duration::from_secs(30), || {
                        Ok(shows(cluster, index, 0).then_some(()))
                    })?;
                }
                Ok(())
            }
            State::Replaced => Ok(()),
        }
    }
}

/// The leader half of the time.
fn victim(cluster: &Cluster, rng: &mut ChaCha12Rng) -> usize {
    let any = rng.random_range(0..cluster.members.len());
    if rng.random() { cluster.leader().unwrap_or(any) } else { any }
}

/// As many as the others can do without, or fewer.
fn minority(cluster: &Cluster, rng: &mut ChaCha12Rng) -> Vec<usize> {
    let size = cluster.members.len();
    let count = rng.random_range(1..=(size - 1) / 2);
    let first = victim(cluster, rng);
    let mut others: Vec<usize> = (0..size).filter(|index| *index != first).collect();
    others.shuffle(rng);
    [first].into_iter().chain(others).take(count).collect()
}

fn names(cluster: &Cluster, members: &[usize]) -> String {
    members.iter().map(|index| cluster.members[*index].name.as_str()).collect::<Vec<_>>().join(", ")
}

fn kill(cluster: &mut Cluster, victims: Vec<usize>, lasts_ms: u64) -> Result<Option<Fault>> {
    victims.iter().try_for_each(|index| cluster.members[*index].signal(Signal::KILL))?;
    let ended: Vec<ExitStatus> =
        victims.iter().map(|index| cluster.members[*index].reap()).collect::<Result<_>>()?;
    if !ended.iter().all(|ended| was_killed(*ended)) {
        bail!("killed, but ended with {ended:?}");
    }
    let served = victims.len() * 2 < cluster.members.len();
    let what = format!("{} died of signal {}", names(cluster, &victims), Signal::KILL.as_raw());
    Ok(Some(Fault { what, lasts: Duration::from_millis(lasts_ms), served, state: State::Dead(victims) }))
}

fn pause(cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    let victims = minority(cluster, rng);
    victims.iter().try_for_each(|index| cluster.members[*index].signal(Signal::STOP))?;
    let lasts = Duration::from_millis(rng.random_range(300..2500));
    let what = format!("{} stopped for {} ms", names(cluster, &victims), lasts.as_millis());
    let fault = Fault { what, lasts, served: lasts > SHORT, state: State::Stopped(victims) };
    wait::until("stopped processes", Duration::from_secs(5), || Ok(fault.goes_on(cluster)?.then_some(())))?;
    Ok(Some(fault))
}

/// The dead links between members, by member.
fn dead_links(cluster: &mut Cluster) -> Result<BTreeSet<Link>> {
    let slots: Vec<usize> = cluster.members.iter().map(|member| member.slot).collect();
    cluster.network.dead_links(&slots)
}

fn cut(cluster: &mut Cluster, what: String, apart: impl Fn(usize, usize) -> bool) -> Result<Option<Fault>> {
    let all = 0..cluster.members.len();
    let slot = |index: usize| cluster.members[index].slot;
    let links: BTreeSet<Link> = all
        .clone()
        .flat_map(|from| all.clone().map(move |to| (from, to)))
        .filter(|(from, to)| from != to && apart(*from, *to))
        .map(|(from, to)| (slot(from), slot(to)))
        .collect();
    cluster.network.block(links.clone())?;
    if dead_links(cluster)? != links {
        cluster.network.block(BTreeSet::new())?;
        return Ok(None);
    }
    Ok(Some(Fault { what, lasts: Duration::from_millis(1800), served: true, state: State::Cut(links) }))
}

fn fill(cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    let victims = minority(cluster, rng);
    let what = format!("disk full at {}", names(cluster, &victims));
    let fault = Fault { what, lasts: Duration::from_millis(1500), served: true, state: State::Full(victims) };
    if fault.goes_on(cluster)? {
        return Ok(Some(fault));
    }
    fault.heal(cluster)?;
    Ok(None)
}

fn slow(cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    let victims = minority(cluster, rng);
    let what = format!("slow disk at {}", names(cluster, &victims));
    let slow = victims.into_iter().map(|index| (index, cluster.members[index].disk.slow())).collect();
    let fault = Fault { what, lasts: Duration::from_millis(1000), served: true, state: State::Slow(slow) };
    if fault.goes_on(cluster)? {
        return Ok(Some(fault));
    }
    fault.heal(cluster)?;
    Ok(None)
}

/// Whether a monitor's clock is off by this.
fn shows(cluster: &Cluster, index: usize, offset: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wanted = now.as_secs() as i64 + offset;
    let status = cluster.members[index].status(&cluster.network).ok();
    let shown = status.and_then(|status| status["wall_clock"].as_i64());
    shown.is_some_and(|shown| (shown - wanted).abs() <= CLOCK_BLUR_S)
}

fn set_clocks(cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    let mut all: Vec<usize> = (0..cluster.members.len()).collect();
    all.shuffle(rng);
    let count = rng.random_range(1..=all.len());
    let offsets: Vec<(usize, i64)> = all[..count]
        .iter()
        .map(|index| {
            let far = [20..60, 60..3600, 3600..86_400 * 30].choose(rng).cloned().unwrap_or(20..60);
            let seconds = rng.random_range(far);
            (*index, if rng.random() { seconds } else { -seconds })
        })
        .collect();
    for (index, offset) in &offsets {
        cluster.members[*index].set_clock(*offset)?;
    }
    let mut what: Vec<String> = offsets
        .iter()
        .map(|(index, offset)| format!("clock of {} off by {offset} s", cluster.members[*index].name))
        .collect();
    // A process that starts with a wrong clock is another matter than one that sees it jump.
    let (restarted, _) = offsets[0];
    if rng.random() {
        cluster.members[restarted].signal(Signal::KILL)?;
        cluster.members[restarted].reap()?;
        cluster.start(restarted)?;
        what.push(format!("{} restarted", cluster.members[restarted].name));
    }
    let fault = Fault {
        what: what.join(", "),
        lasts: Duration::from_millis(1000),
        served: true,
        state: State::Off(offsets),
    };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if fault.goes_on(cluster)? {
            return Ok(Some(fault));
        }
        wait::hold(Duration::from_millis(50));
    }
    fault.heal(cluster)?;
    Ok(None)
}

fn replace(cluster: &mut Cluster, rng: &mut ChaCha12Rng) -> Result<Option<Fault>> {
    let index = victim(cluster, rng);
    let old = cluster.members[index].name.clone();
    let dead = rng.random();
    if dead {
        cluster.members[index].signal(Signal::KILL)?;
        cluster.members[index].reap()?;
    }
    let mut new = cluster.next_member()?;
    let address = format!("[v2:{}]", cluster.address(&new));
    cluster.must(&json!({"prefix": "mon learner add", "name": new.name, "addr": address}))?;
    cluster.save_monmap()?;
    cluster.mkfs(&new)?;
    let command = cluster.run_command(&new, &["--mon-learner=true"]);
    new.start(&cluster.network, command)?;
    wait::until("the new member to follow", Duration::from_secs(60), || {
        if let Some(ended) = new.ended()? {
            bail!("mon.{} ended by itself: {ended}", new.name);
        }
        Ok(new.status(&cluster.network).is_ok_and(|status| status["state"] == "learner").then_some(()))
    })?;
    let swap = json!({"prefix": "mon replace", "voter": old, "learner": new.name});
    let mut last = String::new();
    wait::until("the new member to be taken", Duration::from_secs(60), || {
        let reply = cluster.command(&swap)?;
        last = reply.message;
        Ok((reply.code == 0).then_some(()))
    })
    .with_context(|| last.clone())?;
    if !dead {
        let ended = cluster.members[index].reap()?;
        ensure!(
            ended.code() == Some(REMOVED) || ended.signal().is_none() && ended.success(),
            "replaced mon.{old} ended with {ended}"
        );
    }
    let what = format!("{old} ({}) replaced by {}", if dead { "dead" } else { "alive" }, new.name);
    let map: Value =
        serde_json::from_slice(&cluster.must(&json!({"prefix": "mon dump", "format": "json"}))?)?;
    let members: Vec<&str> =
        map["mons"].as_array().into_iter().flatten().filter_map(|mon| mon["name"].as_str()).collect();
    let happened = members.contains(&new.name.as_str()) && !members.contains(&old.as_str());
    cluster.members[index] = new;
    Ok(happened.then_some(Fault {
        what,
        lasts: Duration::from_millis(300),
        served: true,
        state: State::Replaced,
    }))
}
