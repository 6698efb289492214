//! What this member finds wrong with itself, told to the leader.

use mon_types::message::MMonHealthChecks;

use super::Services;
use crate::cx::Cx;
use crate::event::DiskUse;
use crate::service::health::own_checks;

impl Services {
    /// A new measurement of the disk.
    pub fn disk(&mut self, cx: &mut Cx<'_>, disk: DiskUse) {
        self.disk = disk;
        if self.quorum.is_some() {
            self.upkeep_due = true;
            self.tell_health(cx);
        }
    }

    /// Tells the leader of our own health when it does not know yet.
    pub(super) fn tell_health(&mut self, cx: &mut Cx<'_>) {
        let Some(quorum) = &self.quorum else { return };
        let checks = own_checks(&self.identity.name, &self.settings, self.disk);
        if self.told.as_ref() == Some(&checks) {
            return;
        }
        self.told = Some(checks.clone());
        if quorum.we_lead {
            self.health.tell(quorum.leader, checks);
            self.upkeep_due = true;
        } else if !quorum.learner {
            let message = MMonHealthChecks { health_checks: checks, ..Default::default() };
            cx.out.send(&quorum.leader_addrs, message, None);
        }
    }
}
