//! Nothing that depends on a write leaves before the write is durable. Looked at from the disk's side: what a
//! message says of promises, acceptances and epochs must be what a power cut at this moment would leave.

use mon_types::message::{Envelope, MMonPaxos, Message, PaxosOp};

use super::{Facts, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Durability;

impl Invariant for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let durable = at.disk().durable;
        match &message.message {
            Message::Paxos(m) => paxos(&durable, m),
            Message::Election(m) if m.epoch > durable.epoch => {
                Err(format!("says {:?} of epoch {}, but has {} on disk", m.op, m.epoch, durable.epoch))
            }
            Message::Heartbeat(m) if m.pn > durable.accepted_pn => {
                Err(format!("leads under {}, but has {} on disk", m.pn, durable.accepted_pn))
            }
            _ => Ok(()),
        }
    }
}

fn paxos(durable: &Facts, m: &MMonPaxos) -> Finding {
    let version = m.last_committed.next();
    let promised = durable.accepted_pn >= m.pn;
    match m.op {
        PaxosOp::Collect if !promised || durable.last_pn < m.pn => {
            Err(format!("collects under {}, but has {} on disk", m.pn, durable.last_pn))
        }
        // A refusal names a number that is higher than any promise.
        PaxosOp::Last if !promised && m.pn.0 != durable.accepted_pn.0 + 100 => {
            Err(format!("promises {}, but has {} on disk", m.pn, durable.accepted_pn))
        }
        PaxosOp::Accept => {
            let accepted = durable.pending.0 >= version && durable.pending.1 >= m.pn;
            if promised && (accepted || durable.last >= version) {
                return Ok(());
            }
            Err(format!("accepts {version} under {}, but has {:?} on disk", m.pn, durable.pending))
        }
        PaxosOp::Collect
        | PaxosOp::Last
        | PaxosOp::Begin
        | PaxosOp::Commit
        | PaxosOp::Lease
        | PaxosOp::LeaseAck => Ok(()),
    }
}
