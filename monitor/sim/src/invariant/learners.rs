//! Who is not in the monmap has no vote: neither in elections nor on values.

use mon_types::message::{ElectionOp, Envelope, Message, PaxosOp};

use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Learners;

impl Invariant for Learners {
    fn name(&self) -> &'static str {
        "learners"
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let Some(consensus) = at.consensus.filter(|consensus| consensus.rank().is_none()) else {
            return Ok(());
        };
        let votes = match &message.message {
            Message::Paxos(m) => matches!(m.op, PaxosOp::Accept | PaxosOp::Collect | PaxosOp::Begin),
            Message::Election(m) => matches!(m.op, ElectionOp::Ack | ElectionOp::Victory),
            _ => false,
        };
        // What waited for a write may leave a moment after the map has let us go: it is from when we had a vote.
        match votes && consensus.view().is_some_and(|view| view.learner) {
            true => Err(format!("votes without being a member: message {}", message.message.kind())),
            false => Ok(()),
        }
    }
}
