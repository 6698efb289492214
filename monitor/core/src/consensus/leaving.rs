//! The end of a membership, and of a membership of two.
//!
//! The map that removes a member can be known to that member alone: it led, and the news did not get through. So it
//! stays for a moment and shows the map until enough of those who stay have it. So does one that is started again
//! after it was removed.
//!
//! Of two members none can do without the other, not even to find out that it may from now on:
//! ```text
//! a, b    a leads, both accept "a is removed", a knows that it is chosen and is gone for good
//! b       has accepted it, goes by the map {a, b}, waits for the vote of a for ever
//! ```
//! But phase 1 under a map of two hears both. What either has accepted on its disk is taken up by every later leader,
//! so nothing else can be chosen any more: the one that stays may commit it without asking. docs/paxos.md has the
//! argument.

use std::collections::BTreeSet;
use std::time::Duration;

use mon_types::id::Rank;

use crate::bug::{self, Bug};
use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

/// A member that the map no longer holds, on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    until: Duration,
    /// Who of the map that lacks us has it.
    told: BTreeSet<Rank>,
}

/// How long a removed member shows the new map at most.
const LINGER: Duration = Duration::from_secs(5);
/// How long a survivor waits for the other one to come back.
const SURVIVOR_PATIENCE: Duration = Duration::from_secs(2);

impl Consensus {
    /// The map holds us no more.
    pub(super) fn begin_to_leave(&mut self, cx: &mut Cx<'_>, source: &str) {
        if self.leaving.is_none() {
            cx.out.log(Level::Error, format!("{source} does not hold us any more"));
            self.leaving = Some(Leaving { until: cx.now.mono + LINGER, told: BTreeSet::new() });
        }
    }

    /// A peer has shown its map. Once enough of those who stay have ours, we are done.
    pub(crate) fn note_told(&mut self, rank: Option<Rank>) -> Result<(), Halt> {
        let Some(leaving) = &mut self.leaving else { return Ok(()) };
        leaving.told.extend(rank);
        if leaving.told.len() >= self.members.majority() { Err(Halt::Removed) } else { Ok(()) }
    }

    pub(super) fn tick_leaving(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        match &self.leaving {
            Some(leaving) if cx.now.mono >= leaving.until => Err(Halt::Removed),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn leaving_deadline(&self) -> Option<Duration> {
        self.leaving.as_ref().map(|leaving| leaving.until)
    }

    /// Commits what removes or replaces the other one of two, if that one does not come back.
    pub(super) fn tick_survivor(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if self.survivor_deadline().is_none_or(|due| cx.now.mono < due) {
            return Ok(());
        }
        let Some(accepted) = self.paxos.uncommitted() else { return Ok(()) };
        cx.out.log(
            Level::Warn,
            format!("committing {} alone: it takes the only other member out of the map", accepted.version),
        );
        self.paxos.learn(cx, &[(accepted.version, accepted.value)].into())?;
        self.settle(cx)
    }

    /// When a survivor of two may go on alone. A stock monitor may read under its lease meanwhile.
    pub(super) fn survivor_deadline(&self) -> Option<Duration> {
        let out = self.role == Role::Probing && !self.exited && !self.marks.must_sync();
        let (Some(since), Some(me), true) = (self.outside_since, self.members.me(), out) else { return None };
        if self.members.size() != 2 && !bug::is_on(Bug::SurvivorOfMany) || !self.paxos.is_on_disk() {
            return None;
        }
        let map = self.paxos.accepted_map()?;
        let ours = self.members.monmap();
        let stays = |rank| ours.name_of(rank).is_some_and(|name| map.rank_of(name).is_some());
        let (_, other) = self.members.others().find(|(rank, _)| !stays(*rank))?;
        if map.epoch != ours.epoch.next() || !stays(me) {
            return None;
        }
        let leases = self.config.lease_ack_timeout + self.config.lease;
        Some(since + if self.liveness.is_ours(&other.addrs) { SURVIVOR_PATIENCE } else { leases })
    }
}
