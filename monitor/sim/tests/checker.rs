//! The history checker against another implementation, on small histories drawn at random.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use mon_sim::history::{Action, Key, Operation, Outcome, Value, Verdict, check_key};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// The register, in the other checker's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Register(Option<Value>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Told {
    Written,
    Differed,
    Held(Option<Value>),
}

impl SequentialSpec for Register {
    /// With whether a swap that fails does not tell what it found.
    type Op = (Action, bool);
    type Ret = Told;

    fn invoke(&mut self, (action, quiet): &(Action, bool)) -> Told {
        match *action {
            Action::Read => Told::Held(self.0),
            Action::Write(value) => {
                self.0 = Some(value);
                Told::Written
            }
            Action::Remove => {
                self.0 = None;
                Told::Written
            }
            Action::Swap(expected, _) if *quiet && self.0 != expected => Told::Differed,
            Action::Swap(expected, value) => {
                let held = self.0;
                if held == expected {
                    self.0 = Some(value);
                }
                Told::Held(held)
            }
        }
    }
}

/// A few operations of a few clients, each client one at a time, with answers that are plausible but not more.
fn draw(rng: &mut ChaCha8Rng) -> Vec<Operation> {
    let mut history = Vec::new();
    let values = rng.random_range(1..4u64);
    for client in 0..rng.random_range(1..4usize) {
        let mut at = rng.random_range(0..4u64);
        for _ in 0..rng.random_range(1..4) {
            let some = |n: u64| (n > 0).then_some(Value(n));
            let value = Value(client as u64 * 10 + rng.random_range(1..=values));
            let held = some(rng.random_range(0..3u64) * 10 + rng.random_range(0..=values));
            let action = match rng.random_range(0..6) {
                0..2 => Action::Write(value),
                2 => Action::Remove,
                3 => Action::Swap(held, value),
                _ => Action::Read,
            };
            // Times are distinct, as the other checker knows only an order.
            let (invoked, returned) =
                (at * 4 + client as u64, (at + rng.random_range(1..4)) * 4 + client as u64);
            at = returned / 4 + 1;
            let lost = rng.random_bool(0.15);
            let outcome = match action {
                _ if lost => Outcome::Unknown,
                Action::Write(_) | Action::Remove => Outcome::Written,
                Action::Swap(..) if rng.random_bool(0.4) => Outcome::Differed,
                Action::Read | Action::Swap(..) => {
                    let told = if rng.random_bool(0.3) { None } else { held };
                    Outcome::Held(told)
                }
            };
            let ms = Duration::from_millis;
            history.push(Operation {
                client,
                key: Key(0),
                action,
                invoked: ms(invoked),
                returned: ms(returned),
                outcome,
            });
            if lost {
                break;
            }
        }
    }
    history
}

fn other_says(history: &[Operation]) -> bool {
    let mut moments: Vec<(Duration, bool, &Operation)> = Vec::new();
    for operation in history {
        moments.push((operation.invoked, false, operation));
        if operation.outcome != Outcome::Unknown {
            moments.push((operation.returned, true, operation));
        }
    }
    moments.sort_by_key(|(at, is_return, _)| (*at, *is_return));
    let mut tester = LinearizabilityTester::new(Register::default());
    for (_, is_return, operation) in moments {
        if !is_return {
            let quiet = operation.outcome == Outcome::Differed;
            tester.on_invoke(operation.client, (operation.action, quiet)).unwrap();
            continue;
        }
        let told = match operation.outcome {
            Outcome::Written => Told::Written,
            Outcome::Differed => Told::Differed,
            Outcome::Held(held) => Told::Held(held),
            Outcome::Unknown => unreachable!("unknown outcomes have no return"),
        };
        tester.on_return(operation.client, told).unwrap();
    }
    tester.is_consistent()
}

#[test]
fn two_checkers_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut good = 0;
    for round in 0..20_000 {
        let history = draw(&mut rng);
        let theirs = other_says(&history);
        let ours = check_key(&history);
        assert_ne!(ours, Ok(Verdict::Undecided), "round {round}: so few operations are always decided");
        assert_eq!(ours.is_ok(), theirs, "round {round}: {history:#?}");
        good += u32::from(theirs);
    }
    assert!((2_000..18_000).contains(&good), "{good} of 20,000 were good: too few of one kind to tell much");
}
