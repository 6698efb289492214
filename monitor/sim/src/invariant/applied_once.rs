//! What is asked for once is done once: forwarded commands, membership operations with an id, log entries.
//!
//! Every write of a client sets a value that no other sets, so the same value twice under a key is the same
//! command twice: [`Twice`]. Beside stock monitors forwarded commands are applied at least once, as Ceph does it, and
//! such registers are left out of the history. A client that asks again gives its log entries the same numbers and its
//! operations the same ids.

use std::collections::BTreeMap;

use mon_types::log::LogEntryKey;

use super::book::{Book, Page};
use super::{Finding, Invariant};

/// The log service knows what it has just seen by its newest entries only; so many it always has.
const LOG_MEMORY: u64 = 50;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct AppliedOnce {
    /// The place of each entry in the log.
    logged: BTreeMap<(String, LogEntryKey), u64>,
    entries: u64,
}

impl Invariant for AppliedOnce {
    fn name(&self) -> &'static str {
        "applied once"
    }

    fn chosen(&mut self, book: &Book, page: &Page) -> Finding {
        for id in &page.operations {
            if book.operations.contains(id) {
                return Err(format!("operation {id} is done again in value {}", page.version));
            }
        }
        for id in &page.done {
            if book.done.contains(id) {
                return Err(format!("forwarded operation {id} is done again in value {}", page.version));
            }
        }
        for entry in page.log.iter().flat_map(|(_, entries)| entries) {
            self.entries += 1;
            // What a monitor writes itself has numbers of its process, which start anew with it.
            if !entry.message.starts_with("guest ") {
                continue;
            }
            let before = self.logged.insert((entry.message.clone(), entry.key()), self.entries);
            if before.is_some_and(|before| self.entries - before < LOG_MEMORY) {
                return Err(format!("log entry '{}' is there twice", entry.message));
            }
        }
        Ok(())
    }
}

/// No value is set twice under a key.
#[derive(Debug, Default)]
pub struct Twice {
    /// Which version set a value under a key.
    set: BTreeMap<(String, Vec<u8>), u64>,
}

impl Invariant for Twice {
    fn name(&self) -> &'static str {
        "applied once"
    }

    fn chosen(&mut self, _book: &Book, page: &Page) -> Finding {
        for (version, delta) in &page.kv {
            for (key, value) in delta.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
                if let Some(before) = self.set.insert((key.clone(), value.to_vec()), *version) {
                    let shown = String::from_utf8_lossy(value);
                    return Err(format!(
                        "{key} is set to {shown} in kv version {before} and again in {version}"
                    ));
                }
            }
        }
        Ok(())
    }
}
