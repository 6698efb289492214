//! The search for an order of one register's operations that explains every answer: Wing and Gong's, with Lowe's
//! memory of what was tried.
//!
//! Operations are taken out of a list of calls and returns, sorted by time. Whatever was called before the first
//! return that is left may come next; when an operation's return is reached before it was taken, the last choice
//! was wrong. An operation of unknown outcome has no return: it may be taken at any time, or never, and is tried last.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Operation, Outcome, Value};

/// Why no order explains the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The operation that no order could reach, of those in the longest order that was found.
    pub stuck: Operation,
    /// How many operations that order explains.
    pub explained: usize,
}

/// What a search came to that met no contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// There is an order that explains every answer.
    Explained,
    /// The search was given up: so many operations of unknown outcome leave too many orders to try.
    Undecided,
}

/// Looks for an order of one register's operations that starts from an empty register.
///
/// # Errors
/// When there is none.
pub fn check_key(operations: &[Operation]) -> Result<Verdict, Contradiction> {
    let operations = relevant(operations);
    Search::new(&operations).run(TRIED_MAX)
}

/// Leaves out what cannot matter: questions without an answer, and writes of unknown outcome that nobody saw or may
/// have built upon. Any order with such a write explains everything without it too.
fn relevant(operations: &[Operation]) -> Vec<Operation> {
    let seen = seen(operations);
    let emptied = operations.iter().any(|operation| {
        operation.outcome == Outcome::Held(None) || matches!(operation.action, Action::Swap(None, _))
    });
    // What took a swap's expected value away may be anything.
    let differs = operations.iter().any(|operation| operation.outcome == Outcome::Differed);
    let matters = |operation: &Operation| match (operation.outcome, operation.action) {
        (Outcome::Unknown, Action::Read) => false,
        (Outcome::Unknown, Action::Write(value) | Action::Swap(_, value)) => seen.contains(&value) || differs,
        (Outcome::Unknown, Action::Remove) => emptied || differs,
        (Outcome::Written | Outcome::Differed | Outcome::Held(_), _) => true,
    };
    operations.iter().copied().filter(matters).collect()
}

/// The values that somebody was told of, or built upon.
fn seen(operations: &[Operation]) -> BTreeSet<Value> {
    let told = operations.iter().filter_map(|operation| match operation.outcome {
        Outcome::Held(value) => value,
        Outcome::Written | Outcome::Differed | Outcome::Unknown => None,
    });
    let expected = operations.iter().filter_map(|operation| match operation.action {
        Action::Swap(expected, _) => expected,
        Action::Read | Action::Write(_) | Action::Remove => None,
    });
    told.chain(expected).collect()
}

/// A call or return in the list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    operation: usize,
    is_call: bool,
    previous: usize,
    next: usize,
}

/// An operation that was taken.
#[derive(Debug, Clone, Copy)]
struct Choice {
    call: usize,
    /// What the register held before.
    held: Option<Value>,
    /// Whether those of unknown outcome had their turn.
    unknowns: bool,
    /// What the register held before the operation of unknown outcome that was taken just before.
    without: Option<Option<Value>>,
    /// Whether nothing else needs to be tried in its place.
    is_free: bool,
}

struct Search<'a> {
    operations: &'a [Operation],
    /// Entry 0 is the list's head.
    entries: Vec<Entry>,
    /// Where an operation's return is; none for unknown outcomes.
    returns: Vec<Option<usize>>,
    returns_left: usize,
    /// The operation called before that does the same, where nobody can tell the two apart. It goes first.
    twins: Vec<Option<usize>>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let mut moments = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            // At the same moment calls come first: what touches overlaps.
            moments.push((operation.invoked, false, index));
            if operation.outcome != Outcome::Unknown {
                moments.push((operation.returned, true, index));
            }
        }
        moments.sort_unstable();
        let mut entries = vec![Entry { operation: usize::MAX, is_call: false, previous: 0, next: 0 }];
        let mut returns = vec![None; operations.len()];
        for (_, is_return, operation) in moments {
            let at = entries.len();
            if is_return {
                returns[operation] = Some(at);
            }
            entries.push(Entry { operation, is_call: !is_return, previous: at - 1, next: at + 1 });
        }
        let count = entries.len();
        for (at, entry) in entries.iter_mut().enumerate() {
            entry.next = if at + 1 == count { 0 } else { at + 1 };
        }
        let returns_left = returns.iter().flatten().count();
        Self { operations, entries, returns, returns_left, twins: twins(operations) }
    }

    fn run(mut self, most: usize) -> Result<Verdict, Contradiction> {
        let mut tried = BTreeSet::new();
        let mut taken = vec![0u64; self.operations.len().div_ceil(64)];
        let mut order: Vec<Choice> = Vec::new();
        let mut held: Option<Value> = None;
        // Operations whose outcome is known come first: few histories need those that may never have happened.
        let mut unknowns = false;
        // And each of those comes right before what could not be without it: anywhere else it can be left out, or moved
        // past what only looks.
        let mut without: Option<Option<Value>> = None;
        let mut at = self.entries[0].next;
        let mut best: Option<Contradiction> = None;
        while self.returns_left > 0 {
            if tried.len() > most {
                return Ok(Verdict::Undecided);
            }
            let entry = self.entries[at];
            if entry.is_call {
                let operation = &self.operations[entry.operation];
                let before = self.twins[entry.operation];
                let is_unknown = operation.outcome == Outcome::Unknown;
                let not_yet = is_unknown != unknowns || before.is_some_and(|twin| !is_in(&taken, twin));
                let needless = without.is_some_and(|without| !depends(without, held, operation));
                let next = if not_yet || needless { None } else { step(held, operation) };
                let next = next.filter(|next| !is_unknown || *next != held);
                let then_without = is_unknown.then_some(held);
                flip(&mut taken, entry.operation);
                if let Some(next) = next
                    && tried.insert((taken.clone(), next, then_without))
                {
                    order.push(Choice { call: at, held, unknowns, without, is_free: is_look(operation) });
                    held = next;
                    unknowns = false;
                    without = then_without;
                    self.take_out(at);
                    at = self.entries[0].next;
                } else {
                    flip(&mut taken, entry.operation);
                    at = entry.next;
                }
                continue;
            }
            if !unknowns {
                unknowns = true;
                at = self.entries[0].next;
                continue;
            }
            if best.as_ref().is_none_or(|best| order.len() >= best.explained) {
                let stuck = self.operations[entry.operation];
                best = Some(Contradiction { stuck, explained: order.len() });
            }
            loop {
                let Some(choice) = order.pop() else {
                    return best.map_or(Ok(Verdict::Explained), Err);
                };
                held = choice.held;
                unknowns = choice.unknowns;
                without = choice.without;
                flip(&mut taken, self.entries[choice.call].operation);
                self.put_back(choice.call);
                at = self.entries[choice.call].next;
                if !choice.is_free {
                    break;
                }
            }
        }
        Ok(Verdict::Explained)
    }

    fn unlink(&mut self, at: usize) {
        let Entry { previous, next, .. } = self.entries[at];
        self.entries[previous].next = next;
        if next != 0 {
            self.entries[next].previous = previous;
        }
    }

    fn relink(&mut self, at: usize) {
        let Entry { previous, next, .. } = self.entries[at];
        self.entries[previous].next = at;
        if next != 0 {
            self.entries[next].previous = at;
        }
    }

    fn take_out(&mut self, call: usize) {
        self.unlink(call);
        if let Some(end) = self.returns[self.entries[call].operation] {
            self.unlink(end);
            self.returns_left -= 1;
        }
    }

    /// Undoes the last `take_out`.
    fn put_back(&mut self, call: usize) {
        if let Some(end) = self.returns[self.entries[call].operation] {
            self.relink(end);
            self.returns_left += 1;
        }
        self.relink(call);
    }
}

/// How many pairs of operations done and value held are tried, at some hundred bytes each. Contradictions show long
/// before; a history that this does not decide would take all memory.
const TRIED_MAX: usize = 1_000_000;

/// What the register holds after an operation; none when the answer does not fit.
fn step(held: Option<Value>, operation: &Operation) -> Option<Option<Value>> {
    match (operation.action, operation.outcome) {
        (Action::Read, Outcome::Held(told)) => (told == held).then_some(held),
        (Action::Write(value), Outcome::Written | Outcome::Unknown) => Some(Some(value)),
        (Action::Remove, Outcome::Written | Outcome::Unknown) => Some(None),
        (Action::Swap(expected, _), Outcome::Differed) => (expected != held).then_some(held),
        (Action::Swap(expected, value), Outcome::Held(told)) if told == held => {
            Some(if expected == held { Some(value) } else { held })
        }
        (Action::Swap(expected, value), Outcome::Unknown) => {
            Some(if expected == held { Some(value) } else { held })
        }
        (Action::Read, Outcome::Unknown) => Some(held),
        (Action::Read, Outcome::Written | Outcome::Differed)
        | (Action::Write(_) | Action::Remove, Outcome::Held(_) | Outcome::Differed)
        | (Action::Swap(..), Outcome::Written | Outcome::Held(_)) => None,
    }
}

/// Whether an operation changed nothing. Where the answer of one fits it may come at once: in every order that explains
/// the rest it can be moved there.
fn is_look(operation: &Operation) -> bool {
    match (operation.action, operation.outcome) {
        (_, Outcome::Differed) | (Action::Read, Outcome::Held(_)) => true,
        (Action::Swap(expected, _), Outcome::Held(told)) => expected != told,
        _ => false,
    }
}

/// Whether an operation would have gone otherwise where the register held something else.
fn depends(other: Option<Value>, held: Option<Value>, operation: &Operation) -> bool {
    match step(other, operation) {
        None => true,
        Some(next) => !is_look(operation) && Some(next) != step(held, operation),
    }
}

/// Of operations with unknown outcomes whose effects nobody saw any order is as good as that of their calls; trying all
/// of them takes for ever.
fn twins(operations: &[Operation]) -> Vec<Option<usize>> {
    let seen = seen(operations);
    let mut calls: Vec<usize> = (0..operations.len()).collect();
    calls.sort_by_key(|index| (operations[*index].invoked, *index));
    let mut last: BTreeMap<(u8, Option<Value>), usize> = BTreeMap::new();
    let mut twins = vec![None; operations.len()];
    for index in calls {
        let kind = match (operations[index].action, operations[index].outcome) {
            (Action::Remove, Outcome::Unknown) => (0, None),
            (Action::Write(value), Outcome::Unknown) if !seen.contains(&value) => (1, None),
            (Action::Swap(expected, value), Outcome::Unknown) if !seen.contains(&value) => (2, expected),
            _ => continue,
        };
        twins[index] = last.insert(kind, index);
    }
    twins
}

fn is_in(set: &[u64], index: usize) -> bool {
    set[index / 64] & 1 << (index % 64) != 0
}

fn flip(set: &mut [u64], index: usize) {
    set[index / 64] ^= 1 << (index % 64);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Key;
    use super::*;

    fn op(client: usize, action: Action, span: (u64, u64), outcome: Outcome) -> Operation {
        let at = Duration::from_millis;
        Operation { client, key: Key(0), action, invoked: at(span.0), returned: at(span.1), outcome }
    }

    fn write(client: usize, value: u64, span: (u64, u64)) -> Operation {
        op(client, Action::Write(Value(value)), span, Outcome::Written)
    }

    fn lost_write(client: usize, value: u64, begun: u64) -> Operation {
        op(client, Action::Write(Value(value)), (begun, 0), Outcome::Unknown)
    }

    fn read(client: usize, told: u64, span: (u64, u64)) -> Operation {
        op(client, Action::Read, span, Outcome::Held((told > 0).then_some(Value(told))))
    }

    fn swap(client: usize, expected: u64, value: u64, told: u64, span: (u64, u64)) -> Operation {
        let some = |n: u64| (n > 0).then_some(Value(n));
        op(client, Action::Swap(some(expected), Value(value)), span, Outcome::Held(some(told)))
    }

    #[test]
    fn good_histories_pass() {
        let good: &[&[Operation]] = &[
            &[],
            &[read(1, 0, (0, 1)), write(1, 1, (2, 3)), read(2, 1, (4, 5))],
            // A read may see a write that overlaps it, or not.
            &[write(1, 1, (0, 10)), read(2, 1, (1, 2)), read(3, 1, (3, 4))],
            &[write(1, 1, (0, 10)), read(2, 0, (1, 2)), read(3, 1, (3, 4))],
            // An unknown write may take effect long after.
            &[lost_write(1, 1, 0), write(2, 2, (1, 2)), read(3, 2, (3, 4)), read(3, 1, (5, 6))],
            &[lost_write(1, 1, 0), read(3, 0, (3, 4))],
            &[write(1, 1, (0, 1)), swap(2, 1, 2, 1, (2, 3)), swap(3, 1, 3, 2, (4, 5)), read(1, 2, (6, 7))],
            // Two that touch overlap.
            &[write(1, 1, (0, 5)), read(2, 0, (5, 6))],
        ];
        for history in good {
            assert_eq!(check_key(history), Ok(Verdict::Explained), "{history:#?}");
        }
    }

    /// Found by the other checker: the write was left out because no answer shows its value.
    #[test]
    fn an_unknown_write_that_an_unknown_swap_built_upon_counts() {
        let lost_swap = op(2, Action::Swap(Some(Value(1)), Value(21)), (10, 0), Outcome::Unknown);
        assert_eq!(
            check_key(&[lost_write(0, 1, 0), lost_swap, read(1, 21, (13, 25))]),
            Ok(Verdict::Explained)
        );
        assert!(check_key(&[lost_swap, read(1, 21, (13, 25))]).is_err());
    }

    #[test]
    fn a_search_that_is_given_up_says_so() {
        let writes: Vec<Operation> = (1..6).map(|n| lost_write(n as usize, n, 0)).collect();
        let reads = (1..6).rev().zip(1..).map(|(n, at)| read(9, n, (10 * at, 10 * at + 1)));
        let history: Vec<Operation> = writes.into_iter().chain(reads).collect();
        assert_eq!(Search::new(&history).run(5), Ok(Verdict::Undecided));
        assert_eq!(Search::new(&history).run(TRIED_MAX), Ok(Verdict::Explained));
    }

    #[test]
    fn bad_histories_do_not() {
        let bad: &[&[Operation]] = &[
            // A stale read, a value from nowhere, a read that goes back.
            &[write(1, 1, (0, 1)), read(2, 0, (2, 3))],
            &[read(2, 7, (2, 3))],
            &[write(1, 1, (0, 10)), read(2, 1, (1, 2)), read(3, 0, (3, 4))],
            // A lost update: both swaps say that they found 1.
            &[write(1, 1, (0, 1)), swap(2, 1, 2, 1, (2, 5)), swap(3, 1, 3, 1, (2, 5))],
            // An unknown write cannot take effect twice.
            &[
                lost_write(1, 1, 0),
                read(2, 1, (1, 2)),
                write(2, 2, (3, 4)),
                read(2, 2, (5, 6)),
                read(2, 1, (7, 8)),
            ],
            // Nor before it was begun.
            &[read(2, 1, (0, 1)), lost_write(1, 1, 2)],
        ];
        for history in bad {
            assert!(check_key(history).is_err(), "{history:#?}");
        }
    }
}
