//! A read is answered from a store that shows everything that was acknowledged before it came; and a write is
//! acknowledged by a store that shows it.

use std::collections::BTreeMap;

use mon_types::id::Version;

use super::{Finding, Invariant, Subject};
use crate::history::Action;
use crate::process::Request;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct FreshReads {
    /// The newest version that somebody was told of.
    told: Version,
    /// Operations that wait for their answers, with what was told of when they came.
    open: BTreeMap<u64, (Action, Version)>,
}

impl Invariant for FreshReads {
    fn name(&self) -> &'static str {
        "fresh reads"
    }

    fn asked(&mut self, _at: &Subject<'_>, id: u64, request: &Request) {
        match request {
            Request::Client(_, action) => {
                self.open.insert(id, (*action, self.told));
            }
            Request::Members(_) | Request::Order(_) => {}
        }
    }

    fn answered(&mut self, at: &Subject<'_>, id: u64, code: i32) -> Finding {
        let Some((action, told)) = self.open.remove(&id) else { return Ok(()) };
        let (shown, known) = (at.disk().seen.last, at.consensus.map(|consensus| consensus.last_committed()));
        match action {
            _ if code != 0 => Ok(()),
            Action::Read if shown < told => {
                Err(format!("answers a read at {shown}, after {told} was acknowledged"))
            }
            Action::Write(_) | Action::Remove | Action::Swap(..)
                if known.is_some_and(|known| shown < known) =>
            {
                Err(format!("acknowledges {known:?}, and shows {shown}"))
            }
            Action::Read | Action::Write(_) | Action::Remove | Action::Swap(..) => {
                self.told = self.told.max(shown);
                Ok(())
            }
        }
    }
}
