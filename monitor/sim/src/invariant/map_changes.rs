//! The monmap changes so that no majority of the new map can do without the members that know of it, and only as
//! those who asked wanted: an operation that expected an epoch is done in that epoch.
//!
//! Operations of the simulation name the epoch that they expect in their ids (`...-e7`).

use std::collections::BTreeSet;

use super::book::{Book, Page};
use super::{Finding, Invariant};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct MapChanges;

impl Invariant for MapChanges {
    fn name(&self) -> &'static str {
        "map changes"
    }

    fn chosen(&mut self, book: &Book, page: &Page) -> Finding {
        let epoch = book.map_epoch();
        for id in &page.operations {
            let expected = id.rsplit_once("-e").and_then(|(_, epoch)| epoch.parse::<u64>().ok());
            if expected.is_some_and(|expected| expected != epoch) {
                return Err(format!("operation {id} is done in epoch {epoch}"));
            }
        }
        let (Some(old), Some(new)) = (book.map(), page.maps.last()) else { return Ok(()) };
        let names = |map: &mon_types::monmap::MonMap| map.mons.keys().cloned().collect::<BTreeSet<String>>();
        let (old, new) = (names(old), names(new));
        let staying = old.intersection(&new).count();
        let majority = new.len() / 2 + 1;
        // So many of those that stay must know, and can: one fewer than makes a majority may be new.
        if staying + majority <= new.len() {
            return Err(format!("epoch {} makes {new:?} of {old:?}: too few stay", epoch + 1));
        }
        if new.difference(&old).count() > 1 || old.difference(&new).count() > 1 {
            return Err(format!("epoch {} makes {new:?} of {old:?}: more than one change", epoch + 1));
        }
        Ok(())
    }
}
