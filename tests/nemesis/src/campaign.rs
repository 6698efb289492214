//! Rounds on one cluster, in an order that the seed chooses, and the account of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use mon_sim::history::Operation;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

use crate::cluster::{Cluster, Tools};
use crate::fault::Class;
use crate::round::{self, Broken, Finals, Outline};

/// What is to be done to a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    /// How many monitors.
    pub(crate) size: usize,
    /// How many rounds must count.
    pub(crate) rounds: u64,
    /// Chooses everything but the timing.
    pub(crate) seed: u64,
    /// Only faults of these classes.
    pub(crate) classes: Vec<Class>,
    /// Distinguishes its network from that of another.
    pub(crate) number: u8,
}

/// A round that did not happen may be repeated so often, in all.
const REPEATS: u64 = 10;

/// What came of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// All rounds.
    pub(crate) outlines: Vec<Outline>,
    /// Why it ended early.
    pub(crate) failure: Option<String>,
    /// Classes that cannot be had here, and why.
    pub(crate) skipped: Vec<String>,
}

/// Runs it in a folder, which holds everything that is needed to look into a failure.
pub(crate) fn run(campaign: &Campaign, folder: &Path, tools: &Tools) -> Account {
    let mut account = Account::default();
    let mut history = Vec::new();
    // Outlives the failure: its disks are mounted for as long as it lives.
    let mut cluster = None;
    if let Err(error) = rounds(campaign, folder, tools, &mut account, &mut history, &mut cluster) {
        if let Some(cluster) = &mut cluster {
            cluster.kill_all();
        }
        let kept = keep(folder, &history);
        account.failure = Some(format!(
            "cluster of {}, round {}: {error:#}\n{}",
            campaign.size,
            account.outlines.len() + 1,
            kept.unwrap_or_else(|error| format!("(and nothing could be kept: {error:#})"))
        ));
    }
    account
}

fn rounds(
    campaign: &Campaign,
    folder: &Path,
    tools: &Tools,
    account: &mut Account,
    history: &mut Vec<Operation>,
    cluster: &mut Option<Cluster>,
) -> Result<()> {
    let size = campaign.size;
    let cluster = cluster.insert(
        Cluster::make(folder, campaign.number, size, tools.clone())
            .with_context(|| format!("a cluster of {size}"))?,
    );
    cluster.wait_until_settled()?;
    let mut rng = ChaCha12Rng::seed_from_u64(campaign.seed);
    let classes = possible(campaign, cluster, account);
    let mut deck: Vec<Class> = Vec::new();
    let mut finals = Finals::new();
    let (mut counted, mut number) = (0, 0);
    while counted < campaign.rounds && number < campaign.rounds + REPEATS && !classes.is_empty() {
        if deck.is_empty() {
            deck.clone_from(&classes);
            deck.shuffle(&mut rng);
        }
        let Some(class) = deck.pop() else { break };
        match round::run(cluster, class, number, &mut finals, &mut rng) {
            Ok(outline) => {
                println!(
                    "    {size} monitors, round {:>3}: {class:<10} {} answers, {} unknown, longest gap {:>4} ms, \
                     whole after {:>4} ms: {}",
                    number + 1,
                    outline.answered,
                    outline.unknown,
                    outline.gap.as_millis(),
                    outline.healed.as_millis(),
                    outline.fault.as_deref().unwrap_or("did not happen, does not count"),
                );
                counted += u64::from(outline.fault.is_some());
                account.outlines.push(outline);
            }
            Err(Broken { why, history: seen }) => {
                *history = seen;
                return Err(why.context(format!("fault {class}")));
            }
        }
        number += 1;
    }
    cluster.wait_until_settled()?;
    cluster.compare_stores().context("after the last round")
}

/// Classes whose means are there.
fn possible(campaign: &Campaign, cluster: &Cluster, account: &mut Account) -> Vec<Class> {
    let mut missing: BTreeMap<Class, &str> = BTreeMap::new();
    if cluster.tools.faketime.is_none() {
        missing.insert(Class::Clock, "libfaketime is not installed (apt-get install faketime)");
    }
    if !cluster.members.iter().all(|member| member.disk.freezes()) {
        missing.insert(Class::DiskSlow, "no loop device with ext4 can be mounted");
    }
    let (impossible, possible): (Vec<Class>, Vec<Class>) =
        campaign.classes.iter().partition(|class| missing.contains_key(class));
    account.skipped = impossible.iter().map(|class| format!("{class}: {}", missing[class])).collect();
    possible
}

/// Writes down what is needed to look into a failure; says where it is.
fn keep(folder: &Path, history: &[Operation]) -> Result<String> {
    let mut text = String::from("client key action invoked_us returned_us outcome\n");
    let mut sorted: Vec<&Operation> = history.iter().collect();
    sorted.sort_by_key(|operation| (operation.key, operation.invoked));
    for o in sorted {
        text.push_str(&format!(
            "{} {} {:?} {} {} {:?}\n",
            o.client,
            o.key.0,
            o.action,
            o.invoked.as_micros(),
            o.returned.as_micros(),
            o.outcome
        ));
    }
    fs::write(folder.join("history.txt"), text)?;
    // The disks are mounted for this process alone: copies outlive it.
    let stores = folder.join("stores");
    for entry in fs::read_dir(folder.join("disk"))? {
        let data = entry?.path().join("data");
        if data.exists()
            && let Some(name) = data.parent().and_then(Path::file_name)
        {
            fs::create_dir_all(&stores)?;
            let status = Command::new("cp").arg("-a").arg(&data).arg(stores.join(name)).status()?;
            anyhow::ensure!(status.success(), "cannot copy {}", data.display());
        }
    }
    let place = folder.display();
    Ok(format!(
        "what to look at:\n  \
         {place}/history.txt   what clients saw in the failed round, by register and time\n  \
         {place}/log/          the monitors' logs\n  \
         {place}/stores/NAME   their stores (`mon ceph-mon -i NAME --mon-data DIR -c {place}/ceph.conf`, ceph-kvstore-tool)"
    ))
}

/// A line per class.
pub(crate) fn table(outlines: &[Outline]) -> String {
    let mut text = format!(
        "{:<10} {:>6} {:>6} {:>9} {:>8} {:>9} {:>9}\n",
        "fault", "rounds", "missed", "answers", "unknown", "gap ms", "whole ms"
    );
    for class in Class::ALL {
        let of_class: Vec<&Outline> = outlines.iter().filter(|outline| outline.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let counted = of_class.iter().filter(|outline| outline.fault.is_some()).count();
        let longest = |time: fn(&Outline) -> Duration| {
            of_class.iter().map(|outline| time(outline)).max().unwrap_or_default().as_millis()
        };
        text.push_str(&format!(
            "{class:<10} {counted:>6} {:>6} {:>9} {:>8} {:>9} {:>9}\n",
            of_class.len() - counted,
            of_class.iter().map(|outline| outline.answered).sum::<usize>(),
            of_class.iter().map(|outline| outline.unknown).sum::<usize>(),
            longest(|outline| outline.gap),
            longest(|outline| outline.healed),
        ));
    }
    text
}
