//! Reads: answered from committed state once it is sure to be recent.

use std::collections::BTreeMap;

use crate::cx::Cx;
use crate::effect::Halt;
use crate::operation::{Answer, Operation};
use crate::quorum::ReadId;
use crate::services::Services;

/// What waits for a confirmed read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    fresh: Vec<Waiting>,
    requested: BTreeMap<ReadId, Vec<Waiting>>,
}

#[derive(Debug)]
enum Waiting {
    /// Answered from the state at that time.
    Query(Box<Operation>),
    /// A write that the leader found to need no change; its answer stands if we still lead.
    Answered(Box<Operation>, Answer),
    /// Whether values that were in flight are in the store.
    Uncertain,
}

impl Reads {
    pub(super) fn query(&mut self, operation: Operation) {
        self.fresh.push(Waiting::Query(Box::new(operation)));
    }

    pub(super) fn answered(&mut self, operation: Operation, answer: Answer) {
        self.fresh.push(Waiting::Answered(Box::new(operation), answer));
    }

    pub(super) fn ask_about_uncertain(&mut self) {
        self.fresh.push(Waiting::Uncertain);
    }

    pub(super) fn count(&self) -> usize {
        self.fresh.len() + self.requested.values().map(Vec::len).sum::<usize>()
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.requested.values().flatten().chain(&self.fresh).filter_map(|waiting| match waiting {
            Waiting::Query(operation) | Waiting::Answered(operation, _) => Some(&**operation),
            Waiting::Uncertain => None,
        })
    }

    /// Everything that waits, to be asked again.
    pub(super) fn take_all(&mut self) -> Vec<Operation> {
        let requested = std::mem::take(&mut self.requested).into_values().flatten();
        requested
            .chain(std::mem::take(&mut self.fresh))
            .filter_map(|waiting| match waiting {
                Waiting::Query(operation) | Waiting::Answered(operation, _) => Some(*operation),
                Waiting::Uncertain => None,
            })
            .collect()
    }
}

impl Services {
    /// Whether something waits for a read that was not requested yet. Before its first value a cluster has no state
    /// to show, nor has a stock one (`PaxosService::is_readable`).
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.quorum.is_some() && !self.reads.fresh.is_empty() && self.monmap.version().0 > 0
    }

    /// The read was requested; everything that waited so far waits for this one.
    pub fn read_requested(&mut self, id: ReadId) {
        let fresh = std::mem::take(&mut self.reads.fresh);
        self.reads.requested.entry(id).or_default().extend(fresh);
    }

    /// The read is confirmed: what waits for it, and for earlier ones, is answered.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn read_ready(&mut self, cx: &mut Cx<'_>, id: ReadId) -> Result<(), Halt> {
        let later = self.reads.requested.split_off(&ReadId(id.0 + 1));
        let ready = std::mem::replace(&mut self.reads.requested, later);
        self.global_ids.confirm(self.auth.max_global_id());
        for waiting in ready.into_values().flatten() {
            match waiting {
                Waiting::Query(operation) => {
                    let answer = self.query(cx, &operation)?;
                    self.deliver(cx, &operation, answer);
                }
                Waiting::Answered(operation, answer) => self.deliver(cx, &operation, answer),
                Waiting::Uncertain => self.settle_uncertain(cx)?,
            }
        }
        Ok(())
    }
}
