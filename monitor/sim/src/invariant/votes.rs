//! A member acknowledges one candidate per epoch, also after a restart; and who claims victory was acknowledged by
//! everybody in its quorum. Among our own; Ceph's elections leave both to timing.

use std::collections::BTreeMap;

use mon_types::id::Epoch;
use mon_types::message::{ElectionOp, Envelope, MMonElection, Message};

use super::{Finding, Invariant, Subject};
use crate::node::{index_of, name};

/// What shows in the metadata of a message that its sender keeps to our rules.
const OURS: &str = "moncluster";

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Votes {
    /// Whom each member acknowledged in an epoch.
    given: BTreeMap<(Epoch, usize), usize>,
}

impl Invariant for Votes {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn replaced(&mut self, node: usize) {
        self.given.retain(|(_, voter), _| *voter != node);
    }

    fn sent_to(&mut self, at: &Subject<'_>, to: usize, message: &Envelope) -> Finding {
        let Message::Election(m) = &message.message else { return Ok(()) };
        if !m.metadata.contains_key(OURS) {
            // A stock monitor may acknowledge a better candidate after a worse one.
            return Ok(());
        }
        match m.op {
            ElectionOp::Ack => {
                let first = *self.given.entry((m.epoch, at.node)).or_insert(to);
                match first == to {
                    true => Ok(()),
                    false => {
                        Err(format!("acknowledges {} in epoch {}, after {}", name(to), m.epoch, name(first)))
                    }
                }
            }
            ElectionOp::Victory => self.victory(at, m),
            ElectionOp::Propose | ElectionOp::Nak => Ok(()),
        }
    }
}

impl Votes {
    fn victory(&self, at: &Subject<'_>, m: &MMonElection) -> Finding {
        let Some(consensus) = at.consensus else { return Ok(()) };
        let epoch = Epoch(m.epoch.0.saturating_sub(1));
        for rank in &m.quorum {
            let voter = consensus.monmap().name_of(*rank).map_or(usize::MAX, index_of);
            let given = self.given.get(&(epoch, voter)).copied();
            let for_us = given == Some(at.node) || voter == at.node && given.is_none();
            if !for_us {
                return Err(format!(
                    "claims epoch {} with {}, who gave no vote for it",
                    m.epoch,
                    name(voter)
                ));
            }
        }
        Ok(())
    }
}
