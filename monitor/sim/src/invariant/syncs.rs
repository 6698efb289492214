//! A store that is half synced, or that is to be synced anew, takes part in nothing and is no source for others. What
//! its member had accepted and nobody has decided outlives the sync, and nothing that others accepted takes its place.

use std::collections::BTreeSet;

use mon_core::consensus::Role;
use mon_types::kv::KvRead;
use mon_types::message::{ElectionOp, Envelope, Message, PaxosOp, SyncOp};

use super::{Disk, Facts, Finding, Invariant, Subject};
use crate::node::name;

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

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let (before, now) = (before.seen, at.disk().seen);
        if !now.forced {
            self.bound.remove(&at.node);
        }
        match (before.in_sync, now.in_sync) {
            (false, true) => keeps_accepted(&before, &now),
            (true, false) => brings_back(at, &before, &now),
            (false, false) | (true, true) => Ok(()),
        }
    }

    fn sent(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        if !self.is_worthless(at) {
            return Ok(());
        }
        let takes_part = match &message.message {
            Message::Paxos(m) => matches!(m.op, PaxosOp::Accept | PaxosOp::Last | PaxosOp::Collect),
            Message::Election(m) => matches!(m.op, ElectionOp::Ack | ElectionOp::Victory),
            Message::Sync(m) => {
                matches!(m.op, SyncOp::Cookie | SyncOp::Chunk | SyncOp::LastChunk) && !is_leaving(at)
            }
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

/// A member that was removed never obeys an order to sync. As long as its store is whole others may need it.
fn is_leaving(at: &Subject<'_>) -> bool {
    let map = at.consensus.map(|consensus| consensus.monmap());
    !at.disk().seen.in_sync && map.is_some_and(|map| map.rank_of(&name(at.node)).is_none())
}

/// A sync begins: others may count on what was accepted here.
fn keeps_accepted(before: &Facts, now: &Facts) -> Finding {
    let (accepted, _, value) = before.pending;
    let (_, kept, kept_value) = now.kept;
    match accepted == before.last.next() && value != 0 && (kept, kept_value) != (accepted, value) {
        true => Err(format!("begins a sync without keeping {accepted}, which it has accepted")),
        false => Ok(()),
    }
}

/// A sync ends: beyond what is committed there is what was kept, or nothing.
fn brings_back(at: &Subject<'_>, before: &Facts, now: &Facts) -> Finding {
    let next = now.last.next();
    let value = at.store.read("paxos", &next.to_string()).ok().flatten();
    let kept = before.kept.1 == next && now.pending.0 == next && before.kept.2 == now.pending.2;
    match value.is_some() && !kept {
        true => Err(format!("ends a sync with {next} as if it had accepted it")),
        false => Ok(()),
    }
}

impl Syncs {
    fn is_worthless(&self, at: &Subject<'_>) -> bool {
        // The only member of a map has nobody to sync from, and goes on.
        let alone = at.consensus.is_some_and(|consensus| consensus.monmap().size() == 1);
        at.disk().seen.in_sync || self.bound.contains(&at.node) && !alone
    }
}
