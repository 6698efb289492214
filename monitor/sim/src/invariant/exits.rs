//! Who was told to stay out of the quorum takes part in no election until it is told to enter, or starts again.

use std::collections::BTreeMap;

use mon_types::id::Epoch;
use mon_types::message::{ElectionOp, Envelope, Message};

use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Exits {
    /// The epoch in which a process left.
    left: BTreeMap<usize, Epoch>,
}

impl Invariant for Exits {
    fn name(&self) -> &'static str {
        "exits"
    }

    fn started(&mut self, at: &Subject<'_>) -> Finding {
        self.left.remove(&at.node);
        Ok(())
    }

    fn after_event(&mut self, at: &Subject<'_>) -> Finding {
        match at.consensus.filter(|consensus| consensus.has_exited()) {
            Some(consensus) => _ = self.left.entry(at.node).or_insert_with(|| consensus.epoch()),
            None => _ = self.left.remove(&at.node),
        }
        Ok(())
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let (Some(left), Message::Election(m)) = (self.left.get(&at.node), &message.message) else {
            return Ok(());
        };
        let takes_part = match m.op {
            ElectionOp::Propose | ElectionOp::Ack | ElectionOp::Victory => true,
            ElectionOp::Nak => false,
        };
        // What waited for a write may leave a moment after.
        let still_out = at.consensus.is_some_and(|consensus| consensus.has_exited());
        match takes_part && still_out && m.epoch > *left {
            true => Err(format!("takes part in epoch {}, but was told to stay out in epoch {left}", m.epoch)),
            false => Ok(()),
        }
    }
}
