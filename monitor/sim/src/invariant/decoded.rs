//! What services hold decoded is what the store holds: a process in quorum knows the service versions, the monmap and
//! the learners of the newest committed value as soon as its store shows it, and equal versions of the keys are equal
//! everywhere.

use std::collections::BTreeMap;

use mon_types::addr::AddrVec;
use mon_types::encode::Decode;
use mon_types::kv::KvRead;

use super::book::SERVICES;
use super::{Disk, Finding, Invariant, Subject};
use crate::register::stored_map;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Members whose store has moved since they were looked at.
    moved: Vec<usize>,
}

impl Invariant for Decoded {
    fn name(&self) -> &'static str {
        "decoded"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let now = at.disk().seen;
        if at.services.is_some() && !now.in_sync && now.last != before.seen.last {
            self.moved.push(at.node);
        }
        Ok(())
    }

    fn after_event(&mut self, at: &Subject<'_>) -> Finding {
        if !self.moved.contains(&at.node) {
            return Ok(());
        }
        self.moved.retain(|node| *node != at.node);
        let (Some(services), Some(consensus)) = (at.services, at.consensus) else { return Ok(()) };
        if consensus.view().is_none() {
            return Ok(());
        }
        let held = services.versions();
        for service in SERVICES {
            let stored =
                at.store.read_version(service, "last_committed").map_err(|error| error.to_string())?;
            if held.get(service) != Some(&stored) {
                let held = held.get(service);
                return Err(format!("serves {service} as of {held:?}, but its store has {stored}"));
            }
        }
        let map = stored_map(at.store).map_err(|error| error.to_string())?;
        if let Some(map) = map.filter(|map| map != services.monmap()) {
            return Err(format!("goes by monmap {}, but stores {}", services.monmap().epoch, map.epoch));
        }
        let learners = at.store.read("moncluster", "learners").map_err(|error| error.to_string())?;
        let learners: BTreeMap<String, AddrVec> =
            learners.and_then(|bytes| Decode::from_bytes(&bytes).ok()).unwrap_or_default();
        match learners == *services.learners() {
            true => Ok(()),
            false => Err(format!("knows learners {:?}, but stores {learners:?}", services.learners())),
        }
    }
}
