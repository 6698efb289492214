//! Who should lead, by how well they are connected (`connectivity`): everybody scores the connections that it
//! has, the scores travel with pings and proposals, and the member that the others reach best leads.

use std::time::Duration;

use mon_types::connection_tracker::{ConnectionReport, ConnectionTracker};
use mon_types::id::{Epoch, Rank};

use super::Reaction;

/// Our scores and what the others told of theirs.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    tracker: ConnectionTracker,
    /// As of the beginning of the election round: candidates are compared by what does not move.
    stable: ConnectionTracker,
    /// What the candidate that we acknowledged went by.
    leader: Option<ConnectionTracker>,
    unstored: u64,
}

impl Scores {
    pub(crate) fn new(stored: Option<ConnectionTracker>, half_life_s: f64) -> Self {
        let mut tracker = stored.unwrap_or_default();
        tracker.half_life_s = half_life_s;
        Self { stable: tracker.clone(), tracker, leader: None, unstored: 0 }
    }

    /// What is sent with pings and proposals.
    pub(crate) fn tracker(&self) -> &ConnectionTracker {
        &self.tracker
    }

    /// What candidates are compared by.
    pub(crate) fn stable(&self) -> &ConnectionTracker {
        &self.stable
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        let (rank, half_life_s) = (self.tracker.rank, self.tracker.half_life_s);
        self.tracker = ConnectionTracker { rank, half_life_s, ..ConnectionTracker::default() };
        self.stable = self.tracker.clone();
        self.unstored += 1;
    }

    /// Our rank, and which ranks there are; reports of ranks that are gone or changed hands are dropped.
    pub(crate) fn set_ranks(&mut self, me: Option<Rank>, size: usize, moved: bool) {
        let rank = me.map_or(-1, |rank| rank.0 as i32);
        if moved || self.tracker.rank != rank {
            self.tracker.reports.clear();
            self.tracker.rank = rank;
        }
        let keep = |rank: &i32| usize::try_from(*rank).is_ok_and(|rank| rank < size);
        self.tracker.reports.retain(|rank, _| keep(rank));
        for report in self.tracker.reports.values_mut() {
            report.current.retain(|rank, _| keep(rank));
            report.history.retain(|rank, _| keep(rank));
        }
        self.stable = self.tracker.clone();
    }

    /// A peer answered, or failed to, after `elapsed` since the last look.
    pub(crate) fn note(&mut self, peer: Rank, alive: bool, elapsed: Duration) {
        let (me, peer) = (self.tracker.rank, peer.0 as i32);
        if me < 0 || self.tracker.half_life_s <= 0.0 {
            return;
        }
        let report = self.tracker.reports.entry(me).or_default();
        report.rank = me;
        let weight = (elapsed.as_secs_f64() / (2.0 * self.tracker.half_life_s)).min(1.0);
        let before = report.history.get(&peer).copied().unwrap_or(1.0);
        let faded = before * (1.0 - weight);
        let score = if alive { (faded + weight).min(1.0) } else { (faded - weight).max(0.0) };
        report.history.insert(peer, score);
        report.current.insert(peer, alive);
        self.tracker.version += 1;
        report.epoch_version = self.tracker.version;
        report.epoch = self.tracker.epoch;
        self.unstored += 1;
    }

    /// A new epoch: its versions start from zero.
    pub(crate) fn set_epoch(&mut self, epoch: Epoch) {
        if self.tracker.epoch != epoch.0 {
            self.tracker.epoch = epoch.0;
            self.tracker.version = 0;
        }
    }

    /// Takes over what is newer in a peer's view; its word on us does not count.
    pub(crate) fn merge(&mut self, other: &ConnectionTracker) {
        for (rank, report) in &other.reports {
            if *rank == self.tracker.rank
                || *rank != report.rank
                || report.history.values().any(|s| !s.is_finite())
            {
                continue;
            }
            let older = self
                .tracker
                .reports
                .get(rank)
                .is_none_or(|ours: &ConnectionReport| ours.is_older_than(report));
            if older {
                self.tracker.reports.insert(*rank, report.clone());
                self.unstored += 1;
            }
        }
    }

    /// Freezes the scores for an election round.
    pub(crate) fn freeze(&mut self) {
        self.stable = self.tracker.clone();
        self.leader = None;
    }

    /// Keeps the view of the candidate that we acknowledge.
    pub(super) fn keep_leader_view(&mut self, view: Option<ConnectionTracker>) {
        self.leader = view;
    }

    /// Whether enough has changed to be stored; resets the count.
    pub(crate) fn take_unstored(&mut self, at_least: u64) -> bool {
        let due = self.unstored >= at_least.max(1);
        if due {
            self.unstored = 0;
        }
        due
    }

    /// What to do about a proposal of `from`, who goes by `view`.
    pub(super) fn react(
        &self,
        me: Rank,
        from: Rank,
        view: Option<&ConnectionTracker>,
        acked: Option<Rank>,
        candidate: bool,
        may_lead: &dyn Fn(Rank) -> bool,
    ) -> Reaction {
        let better = |tracker: &ConnectionTracker, a: Rank, b: Rank| {
            let (a_score, b_score) = (claim(tracker, a, may_lead), claim(tracker, b, may_lead));
            a_score > b_score || (a_score == b_score && a < b)
        };
        let ours = better(&self.stable, me, from);
        let theirs = view.map(|view| better(view, me, from));
        if theirs.is_some_and(|theirs| theirs != ours) {
            // We would each be right by our own scores: another round with merged ones.
            return Reaction::NewRound;
        }
        if ours {
            return if acked.is_some() || candidate { Reaction::Ignore } else { Reaction::Counter };
        }
        if !may_lead(from) {
            return Reaction::Ignore;
        }
        match acked {
            None => Reaction::Defer,
            Some(acked) if acked == from => Reaction::Defer,
            Some(acked) => {
                let leader_agrees = self.leader.as_ref().is_none_or(|view| better(view, from, acked));
                if better(&self.stable, from, acked) && leader_agrees {
                    Reaction::Defer
                } else {
                    Reaction::Ignore
                }
            }
        }
    }
}

/// How well the others reach a member; below every score when it may not lead.
pub(crate) fn claim(tracker: &ConnectionTracker, rank: Rank, may_lead: &dyn Fn(Rank) -> bool) -> f64 {
    if may_lead(rank) { score(tracker, rank) } else { -1.0 }
}

fn score(tracker: &ConnectionTracker, rank: Rank) -> f64 {
    let rank = rank.0 as i32;
    let heard_by = tracker.reports.iter().filter(|(reporter, _)| **reporter != rank);
    heard_by
        .filter(|(_, report)| report.current.get(&rank).copied().unwrap_or(false))
        .filter_map(|(_, report)| report.history.get(&rank))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(me: u32) -> Scores {
        let mut scores = Scores::new(None, 43_200.0);
        scores.set_ranks(Some(Rank(me)), 3, false);
        scores
    }

    /// Three members of which `dead` is reached by nobody.
    fn seen_without(me: u32, dead: u32) -> Scores {
        let mut ours = scores(me);
        for reporter in 0..3 {
            let mut theirs = scores(reporter);
            for peer in (0..3).filter(|peer| *peer != reporter) {
                theirs.note(Rank(peer), peer != dead, Duration::from_secs(1));
            }
            if reporter == me {
                ours.tracker.reports.extend(theirs.tracker.reports.clone());
            } else {
                ours.merge(theirs.tracker());
            }
        }
        ours.freeze();
        ours
    }

    #[test]
    fn a_score_fades_and_recovers_within_its_bounds() {
        let mut s = scores(0);
        s.note(Rank(1), false, Duration::from_secs(43_200));
        let after = s.tracker.reports[&0].history[&1];
        assert!((after - 0.0).abs() < 1e-9, "{after}");
        s.note(Rank(1), true, Duration::from_secs(43_200));
        assert!((s.tracker.reports[&0].history[&1] - 0.5).abs() < 1e-9);
        s.note(Rank(1), true, Duration::from_secs(1_000_000));
        assert!(s.tracker.reports[&0].history[&1] <= 1.0);
    }

    #[test]
    fn the_best_connected_wins_and_rank_breaks_ties() {
        let all = |_: Rank| true;
        let s = seen_without(2, 0);
        assert_eq!(s.react(Rank(2), Rank(0), None, None, false, &all), Reaction::Counter, "nobody reaches 0");
        assert_eq!(s.react(Rank(2), Rank(1), None, None, false, &all), Reaction::Defer);
        assert_eq!(s.react(Rank(2), Rank(1), None, Some(Rank(0)), false, &all), Reaction::Defer);
        assert_eq!(s.react(Rank(2), Rank(0), None, Some(Rank(1)), false, &all), Reaction::Ignore);
        assert_eq!(s.react(Rank(2), Rank(1), None, None, false, &|r| r.0 != 1), Reaction::Counter);
    }

    #[test]
    fn two_views_that_disagree_need_another_round() {
        let all = |_: Rank| true;
        let (ours, theirs) = (seen_without(2, 1), seen_without(1, 2));
        assert_eq!(ours.react(Rank(2), Rank(1), Some(theirs.stable()), None, true, &all), Reaction::NewRound);
    }

    #[test]
    fn a_peer_cannot_speak_for_us() {
        let mut s = scores(0);
        s.note(Rank(1), true, Duration::from_secs(1));
        let mut liar = scores(0);
        liar.note(Rank(1), false, Duration::from_secs(90_000));
        liar.note(Rank(1), false, Duration::from_secs(90_000));
        s.merge(liar.tracker());
        assert!(s.tracker.reports[&0].current[&1]);
    }
}
