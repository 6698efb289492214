//! Learners: members that are sent every committed value, and have no vote.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::Version;
use mon_types::message::Follow;

use super::pulse::Lag;
use super::{Paxos, Rule};
use crate::cx::Cx;
use crate::effect::Halt;

/// The learners that follow this leader.
#[derive(Debug, Clone, Default)]
pub(super) struct Followers(BTreeMap<AddrVec, Follower>);

#[derive(Debug, Clone)]
struct Follower {
    name: String,
    last: Version,
    heard: Duration,
    lag: Lag,
}

impl Followers {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn addrs(&self) -> impl Iterator<Item = &AddrVec> {
        self.0.keys()
    }

    /// Notes what a learner has; whether it is stuck there.
    pub(super) fn heard(
        &mut self,
        from: &AddrVec,
        have: Version,
        last: Version,
        now: Duration,
        patience: Duration,
    ) -> bool {
        self.0.get_mut(from).is_some_and(|follower| {
            follower.last = have;
            follower.heard = now;
            follower.lag.is_stuck(have, last, now, patience)
        })
    }

    pub(super) fn expire(&mut self, now: Duration, silence_max: Duration) {
        self.0.retain(|_, follower| now < follower.heard + silence_max);
    }
}

impl Paxos {
    /// Leader: a learner asks to be kept up to date.
    pub(crate) fn handle_follow(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &Follow) -> Result<(), Halt> {
        let leads = self.term.as_ref().is_some_and(|term| term.is_leader() && term.rule == Rule::Majority);
        if !leads {
            return Ok(());
        }
        let (heard, last) = (cx.now.mono, m.last_committed);
        let follower = Follower { name: m.name.clone(), last, heard, lag: Lag::default() };
        if self.followers.0.insert(from.clone(), follower).is_none() {
            self.share_with(cx, from, last)?;
            self.beat(cx);
        }
        Ok(())
    }

    /// The learners that follow, with what they have.
    pub(crate) fn learners(&self) -> impl Iterator<Item = (&str, Version)> {
        self.followers.0.values().map(|follower| (follower.name.as_str(), follower.last))
    }
}
