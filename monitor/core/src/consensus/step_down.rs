//! Handing leadership over without a gap: finish what is in flight, name a successor, and stand back.

use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::Rank;
use mon_types::message::StepDown;

use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

/// A hand-over under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stepping {
    then: Then,
    /// When to give up waiting.
    until: Duration,
    /// Whether the successor has been named.
    named: bool,
}

/// What comes after a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// We go on as a peon.
    TakePart,
    /// We leave the quorum.
    StayOut,
    /// The process ends.
    Terminate,
}

/// How long a hand-over may take.
const PATIENCE: Duration = Duration::from_millis(1500);

impl Consensus {
    pub(super) fn step_down(&mut self, cx: &mut Cx<'_>, then: Then) -> Result<(), Halt> {
        let able = self.role == Role::Leader
            && self.view.as_ref().is_some_and(|view| view.all_ours && view.members.len() > 1)
            // With one less, a quorum must still be possible, or nothing is gained by handing over.
            && (then == Then::TakePart
                || self.view.as_ref().is_some_and(|view| view.members.len() > self.members.majority()));
        if able {
            self.stepping = Some(Stepping { then, until: cx.now.mono + PATIENCE, named: false });
            return self.continue_step_down(cx);
        }
        if then == Then::TakePart {
            cx.out.log(Level::Warn, "cannot step down: not the leader of a quorum of our kind");
        }
        self.after_step_down(cx, then)
    }

    fn after_step_down(&mut self, cx: &mut Cx<'_>, then: Then) -> Result<(), Halt> {
        match then {
            Then::TakePart => Ok(()),
            Then::StayOut => {
                self.exited = true;
                self.bootstrap(cx, "told to leave the quorum")
            }
            Then::Terminate => {
                self.elector.store_scores(cx);
                Err(Halt::Terminated)
            }
        }
    }

    /// Told to stay in after all, before the hand-over is through.
    pub(super) fn forget_exit(&mut self) {
        self.stepping.take_if(|stepping| stepping.then == Then::StayOut);
    }

    /// Names the successor once nothing is in flight.
    pub(super) fn continue_step_down(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let Some(stepping) = self.stepping.filter(|s| !s.named && self.role == Role::Leader) else {
            return Ok(());
        };
        if self.paxos.is_busy() {
            return Ok(());
        }
        let Some(view) = &self.view else { return Ok(()) };
        let candidates = view.members.iter().copied().filter(|rank| *rank != view.leader);
        let fit = |rank: &Rank| {
            self.members.addrs_of(*rank).is_some_and(|addrs| !self.liveness.is_dead(addrs, cx.now.mono))
                && self
                    .members
                    .monmap()
                    .name_of(*rank)
                    .is_some_and(|name| !self.members.monmap().disallowed_leaders.contains(name))
        };
        let Some(successor) = candidates.clone().find(fit) else { return Ok(()) };
        self.stepping = Some(Stepping { named: true, ..stepping });
        cx.out.log(Level::Info, format!("handing over to rank {successor}"));
        self.elector.abstain(cx.now.mono);
        for rank in candidates {
            if let Some(addrs) = self.members.addrs_of(rank) {
                cx.out.send(addrs, StepDown { epoch: view.epoch, successor }, None);
            }
        }
        Ok(())
    }

    /// A new quorum stands: we are done.
    pub(super) fn finish_step_down(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        match self.stepping.take() {
            Some(stepping) => self.after_step_down(cx, stepping.then),
            None => Ok(()),
        }
    }

    pub(super) fn tick_step_down(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        match self.stepping {
            Some(stepping) if cx.now.mono >= stepping.until => self.finish_step_down(cx),
            Some(_) => self.continue_step_down(cx),
            None => Ok(()),
        }
    }

    pub(super) fn step_down_deadline(&self) -> Option<Duration> {
        self.stepping.map(|stepping| stepping.until)
    }

    /// Our leader stands back.
    pub(super) fn handle_step_down(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &StepDown) {
        let of_our_leader = self.view.as_ref().is_some_and(|view| {
            view.epoch == m.epoch && view.leader_addrs == *from && self.role == Role::Peon
        });
        if !of_our_leader {
            return;
        }
        if self.members.me() == Some(m.successor) {
            cx.out.log(Level::Info, "the leader hands over to us");
            self.with_elector(cx, |elector, cx, scene| elector.start(cx, scene));
        } else {
            self.elector.expect(m.successor);
        }
    }
}
