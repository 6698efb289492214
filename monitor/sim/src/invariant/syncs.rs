//! A store that is half synced, or that is to be synced anew, takes part in nothing and is no source for others.

use std::collections::BTreeSet;

use mon_core::consensus::Role;
use mon_types::message::{ElectionOp, Envelope, Message, PaxosOp, SyncOp};

use super::{Disk, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Syncs {
    /// Whose process found the order to sync when it started. While it runs on, the order is for the next.
    bound: BTreeSet<usize>,
}

impl Invariant for Syncs {
    fn name(&self) -> &'static str {
        "syncs"
    }

    fn started(&mut self, at: &Subject<'_>) -> Finding {
        if at.disk().seen.forced {
            self.bound.insert(at.node);
        } else {
            self.bound.remove(&at.node);
        }
        Ok(())
    }

    fn replaced(&mut self, node: usize) {
        self.bound.remove(&node);
    }

    fn wrote(&mut self, at: &Subject<'_>, _before: &Disk) -> Finding {
        if !at.disk().seen.forced {
            self.bound.remove(&at.node);
        }
        Ok(())
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        if !self.is_worthless(at) {
            return Ok(());
        }
        let takes_part = match &message.message {
            Message::Paxos(m) => matches!(m.op, PaxosOp::Accept | PaxosOp::Last | PaxosOp::Collect),
            Message::Election(m) => matches!(m.op, ElectionOp::Ack | ElectionOp::Victory),
            Message::Sync(m) => matches!(m.op, SyncOp::Cookie | SyncOp::Chunk | SyncOp::LastChunk),
            _ => false,
        };
        match takes_part {
            true => Err(format!("takes part with a half synced store: message {}", message.message.kind())),
            false => Ok(()),
        }
    }

    fn after_event(&mut self, at: &Subject<'_>) -> Finding {
        let role = at.consensus.map(|consensus| consensus.role());
        match role {
            Some(role @ (Role::Leader | Role::Peon | Role::Learner)) if self.is_worthless(at) => {
                Err(format!("is {} with a half synced store", role.as_str()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Syncs {
    fn is_worthless(&self, at: &Subject<'_>) -> bool {
        // The only member of a map has nobody to sync from, and goes on.
        let alone = at.consensus.is_some_and(|consensus| consensus.monmap().size() == 1);
        at.disk().seen.in_sync || self.bound.contains(&at.node) && !alone
    }
}
