//! The controllers beside the API server, as far as monitors need them.

mod kubelet;
mod nodes;
mod scheduler;
mod stateful_sets;
mod volumes;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{array, is_deleted, text, uid};
use crate::server;
use crate::world::State;

/// One round of all of them.
pub(crate) fn step(state: &mut State) {
    collect_garbage(state);
    nodes::step(state);
    stateful_sets::step(state);
    scheduler::step(state);
    volumes::step(state);
    kubelet::step(state);
    server::show_budget(state);
}

/// Objects whose owners have all gone, go.
fn collect_garbage(state: &mut State) {
    let present: BTreeSet<String> = state.store.all().map(|(_, _, object)| uid(object).to_owned()).collect();
    let is_orphan = |object: &Value| {
        let owners = array(object, "/metadata/ownerReferences");
        !owners.is_empty() && owners.iter().all(|owner| !present.contains(text(owner, "/uid")))
    };
    let orphans: Vec<_> = state
        .store
        .all()
        .filter(|(_, _, object)| is_orphan(object) && !is_deleted(object))
        .map(|(key, kind, _)| (key.clone(), kind))
        .collect();
    for (key, kind) in orphans {
        // One that went meanwhile is what we want.
        let _ = state.store.delete(kind, &key, &Value::Null);
    }
}
