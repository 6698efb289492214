//! What clients saw, and whether one copy of the data could have told them the same.
//!
//! ```text
//! client 1   |--- write 5 ---|              |-- read: 5 --|
//! client 2          |------ read: 5 ------|                  |- read: 4 -|   <- not linearizable
//! time       ------------------------------------------------------------->
//! ```

mod linearizable;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use linearizable::{Contradiction, Verdict, check_key};

/// One register of the store, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// What a register holds. Every write writes a value of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Tell what the register holds.
    Read,
    /// Set it.
    Write(Value),
    /// Empty it.
    Remove,
    /// Set it to the second if it holds the first, and tell what it held.
    Swap(Option<Value>, Value),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The write is done.
    Written,
    /// The swap did not take place: the register held something else than was expected.
    Differed,
    /// The register held this: a read's answer, and a swap's (which took place if it was the expected).
    Held(Option<Value>),
    /// No answer, or one that leaves it open: it may have happened, may yet happen, or never.
    Unknown,
}

/// One operation of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// On what.
    pub key: Key,
    /// For what.
    pub action: Action,
    /// When it was asked.
    pub invoked: Duration,
    /// When the answer was there; no meaning where the outcome is unknown.
    pub returned: Duration,
    /// The answer.
    pub outcome: Outcome,
}

/// All operations of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Vec<Operation>,
}

impl History {
    /// Adds an operation that has ended, or will never.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// The last that was added.
    #[must_use]
    pub fn last(&self) -> Option<&Operation> {
        self.operations.last()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Checks each register by itself, but for those that are left out: linearizability is local, so the whole holds
    /// if every part does. Returns the registers of which the search could not tell: nothing is said of those.
    ///
    /// # Errors
    /// The first register that contradicts itself.
    pub fn check(&self, leave_out: impl Fn(Key) -> bool) -> Result<BTreeSet<Key>, (Key, Contradiction)> {
        let mut keys: BTreeMap<Key, Vec<Operation>> = BTreeMap::new();
        for operation in self.operations.iter().filter(|operation| !leave_out(operation.key)) {
            keys.entry(operation.key).or_default().push(*operation);
        }
        let mut undecided = BTreeSet::new();
        for (key, operations) in keys {
            match check_key(&operations).map_err(|found| (key, found))? {
                Verdict::Explained => {}
                Verdict::Undecided => _ = undecided.insert(key),
            }
        }
        Ok(undecided)
    }
}
