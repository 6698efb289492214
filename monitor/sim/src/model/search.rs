//! Goes through all states, each once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::state::{State, Step};

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// How many steps from the start.
    pub depth_max: usize,
    /// After how many states to stop.
    pub states_max: usize,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How many different states there were.
    pub states: usize,
    /// How many steps led to them.
    pub steps: usize,
    /// How many steps the longest way had.
    pub depth: usize,
    /// What it means.
    pub verdict: Verdict,
}

/// What a search means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There are no more states within the budget.
    Complete,
    /// There are, beyond the depth or the number of states.
    Bounded,
    /// Something does not hold after these steps.
    Broken {
        /// The way there.
        way: Vec<Step>,
        /// What does not hold.
        why: String,
    },
}

/// A state on the way that is being followed, with what was not tried yet.
struct Open {
    state: State,
    left: Vec<Step>,
}

impl Search {
    /// Depth first, so that only one way is in memory. A state that is met again nearer to the start is gone through
    /// again, because what lies behind the depth then did not count.
    #[must_use]
    pub fn run(self, start: State) -> Found {
        let mut seen: HashMap<u128, usize> = HashMap::from([(start.fingerprint(), 0)]);
        let mut found = Found { states: 1, steps: 0, depth: 0, verdict: Verdict::Complete };
        let mut way: Vec<Step> = Vec::new();
        let mut open = vec![Open { left: mixed(&start), state: start }];
        while let Some(last) = open.last_mut() {
            let Some(step) = last.left.pop() else {
                open.pop();
                way.pop();
                continue;
            };
            let next = last.state.after(step);
            found.steps += 1;
            way.push(step);
            found.depth = found.depth.max(way.len());
            if let Some(why) = next.broken() {
                found.verdict = Verdict::Broken { way, why: why.to_owned() };
                return found;
            }
            let is_new = match seen.entry(next.fingerprint()) {
                Entry::Vacant(entry) => {
                    entry.insert(way.len());
                    found.states += 1;
                    true
                }
                Entry::Occupied(mut entry) => *entry.get() > way.len() && entry.insert(way.len()) > 0,
            };
            if found.states >= self.states_max {
                found.verdict = Verdict::Bounded;
                return found;
            }
            if is_new && way.len() < self.depth_max {
                open.push(Open { left: mixed(&next), state: next });
                continue;
            }
            if is_new && !next.steps().is_empty() {
                found.verdict = Verdict::Bounded;
            }
            way.pop();
        }
        found
    }
}

/// The steps of a state in an order that differs from state to state, so that a search that ends early has been
/// everywhere a little.
fn mixed(state: &State) -> Vec<Step> {
    let mut steps = state.steps();
    if !steps.is_empty() {
        let first = (state.fingerprint() % steps.len() as u128) as usize;
        steps.rotate_left(first);
    }
    steps
}
