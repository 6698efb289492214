//! When a version is first known to be committed, a majority of the monmap before it has it durably on disk; and
//! where it changes the monmap, so many of those that stay that no majority of the new map can miss it.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::encode::Decode;
use mon_types::id::Version;
use mon_types::kv::{KvRead, Op, Transaction};
use mon_types::message::{Envelope, Message, PaxosOp};
use mon_types::monmap::MonMap;

use super::disks::hash;
use super::{Disk, Disks, Finding, Invariant, Subject};
use crate::node::index_of;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Majority {
    /// The members before each version that is not known to be committed yet; and the newest known one.
    members: BTreeSet<String>,
    newest: Version,
    /// Values seen ahead of their turn.
    waiting: BTreeMap<Version, bytes::Bytes>,
}

impl Invariant for Majority {
    fn name(&self) -> &'static str {
        "majority"
    }

    fn started(&mut self, at: &Subject<'_>) -> Finding {
        if self.members.is_empty()
            && let Some(consensus) = at.consensus
        {
            self.members = consensus.monmap().ranks.iter().cloned().collect();
        }
        Ok(())
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let Message::Paxos(m) = &message.message else { return Ok(()) };
        if m.op != PaxosOp::Commit {
            return Ok(());
        }
        for (version, value) in m.values.range(self.newest.next()..) {
            if *version <= m.last_committed {
                self.waiting.insert(*version, value.clone());
            }
        }
        self.look(at.disks)
    }

    fn wrote(&mut self, at: &Subject<'_>, _before: &Disk) -> Finding {
        let now = at.disk().seen;
        if now.in_sync || now.last <= self.newest {
            return Ok(());
        }
        for version in self.newest.0 + 1..=now.last.0 {
            if let Ok(Some(value)) = at.store.read("paxos", &version.to_string()) {
                self.waiting.insert(Version(version), value);
            }
        }
        self.look(at.disks)
    }
}

impl Majority {
    fn look(&mut self, disks: &Disks) -> Finding {
        while let Some(value) = self.waiting.remove(&self.newest.next()) {
            let version = self.newest.next();
            let known = hash(&value);
            let has = |name: &&String| disks.of(index_of(name)).durable.holds(version, known);
            let holders: BTreeSet<&String> = self.members.iter().filter(has).collect();
            let map = map_in(&value);
            // Phase 1 under a map of two hears both: the one that stays may commit what takes the other out.
            let survives = self.members.len() == 2
                && map.as_ref().is_some_and(|map| {
                    let stays = |name: &String| map.rank_of(name).is_some();
                    !self.members.iter().all(stays)
                        && self.members.iter().any(|n| stays(n) && holders.contains(n))
                });
            if holders.len() < self.members.len() / 2 + 1 && !survives {
                return Err(format!(
                    "version {version} is committed with only {holders:?} of {:?}",
                    self.members
                ));
            }
            if let Some(map) = map {
                let new: BTreeSet<String> = map.ranks.iter().cloned().collect();
                let stay = new.iter().filter(|name| self.members.contains(*name)).count();
                let hold = new.iter().filter(|name| holders.contains(name)).count();
                let wanted = (new.len() + 1 - (new.len() / 2 + 1)).min(stay);
                if hold < wanted {
                    return Err(format!(
                        "the map {new:?} of version {version} is committed where only {hold} of its members have it"
                    ));
                }
                self.members = new;
            }
            self.newest = version;
        }
        Ok(())
    }
}

fn map_in(value: &[u8]) -> Option<MonMap> {
    let changes = Transaction::from_bytes(value).ok()?;
    changes.ops().iter().rev().find_map(|op| match op {
        Op::Put { prefix, key, value } if prefix == "monmap" && key.parse::<u64>().is_ok() => {
            MonMap::from_bytes(value).ok()
        }
        Op::Put { .. } | Op::Erase { .. } | Op::Compact { .. } | Op::EraseRange { .. } => None,
    })
}
