//! The universal reset: leave whatever we are in and find out who is there.

use crate::consensus::{Consensus, Outcome, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

impl Consensus {
    /// Starts over from probing.
    pub(crate) fn bootstrap(&mut self, cx: &mut Cx<'_>, why: &str) -> Result<(), Halt> {
        if self.is_sync_ending() {
            // We go by what the store held before. Starting over follows as soon as it can be read again.
            return Ok(());
        }
        cx.out.log(Level::Info, format!("probing for other monitors: {why}"));
        self.leave(cx);
        self.elector.withdraw();
        self.sync = None;
        self.role = Role::Probing;
        self.election_wanted = false;
        self.probe.reset();
        if self.is_alone() {
            if self.marks.forced {
                self.drop_sync_order(cx, "we are the only member");
            } else if !self.exited {
                self.with_elector(cx, |elector, cx, scene| elector.win_alone(cx, scene));
                return self.settle(cx);
            }
            return Ok(());
        }
        self.send_probes(cx);
        Ok(())
    }

    /// Whether there is nobody to ask: the only member of its map.
    fn is_alone(&self) -> bool {
        self.members.size() == 1 && self.members.me().is_some() && !self.marks.in_sync
    }

    /// Leaves the quorum, if we are in one.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        self.paxos.stop();
        self.timecheck.stop();
        self.following = None;
        self.active_since = None;
        self.command_table = self.identity.command_table.clone();
        if self.view.take().is_some() {
            self.outside_since = Some(cx.now.mono);
            cx.out.log(Level::Debug, "left the quorum");
            self.review_extra_peers(cx);
            self.outcomes.push(Outcome::QuorumLost);
        }
    }
}
