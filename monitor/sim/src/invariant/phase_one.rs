//! A value is offered only after a majority of the map has promised to its number, on disk; and under one number one
//! value is offered for a version. A confirmed heartbeat speaks of the promise that it was sent under.

use std::collections::BTreeMap;

use mon_types::id::{Epoch, Pn, Version};
use mon_types::message::{Envelope, Message, PaxosOp};

use super::disks::hash;
use super::{Finding, Invariant, Subject};
use crate::node::index_of;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct PhaseOne {
    offered: BTreeMap<(Version, Pn), u64>,
    beats: BTreeMap<(Epoch, u64), Pn>,
}

impl Invariant for PhaseOne {
    fn name(&self) -> &'static str {
        "phase one"
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let Some(consensus) = at.consensus else { return Ok(()) };
        match &message.message {
            Message::Paxos(m) if m.op == PaxosOp::Begin => {
                let Some((version, value)) = m.values.iter().next() else { return Ok(()) };
                let map = consensus.monmap();
                let promised = |name: &&String| at.disks.of(index_of(name)).durable.accepted_pn >= m.pn;
                let count = map.ranks.iter().filter(promised).count();
                if count < map.size() / 2 + 1 {
                    return Err(format!("offers {version} under {}, to which {count} have promised", m.pn));
                }
                let value = hash(value);
                match *self.offered.entry((*version, m.pn)).or_insert(value) == value {
                    true => Ok(()),
                    false => Err(format!("offers a second value for {version} under {}", m.pn)),
                }
            }
            Message::Heartbeat(m) => {
                self.beats.insert((m.epoch, m.round), m.pn);
                Ok(())
            }
            Message::HeartbeatAck(m) if m.round > 0 && consensus.rank().is_some() => {
                let (pn, has) = (self.beats.get(&(m.epoch, m.round)), at.disk().durable.accepted_pn);
                match pn.is_none_or(|pn| *pn == has) {
                    true => Ok(()),
                    false => Err(format!("confirms round {} of {pn:?}, but has promised {has}", m.round)),
                }
            }
            _ => Ok(()),
        }
    }
}
