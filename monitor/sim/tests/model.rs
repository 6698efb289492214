//! The model's smallest scenario, completely. The larger ones are run by `cargo xtask model` and the gate.

use mon_sim::model::{Budget, Scenario, Search, State, Verdict};

#[test]
fn two_rounds_in_every_order() {
    let budget = Budget { writes: 2, changes: 0, cuts: 0, resets: 0, timers: 0 };
    let found = Search { depth_max: 400, states_max: 20_000 }.run(State::new(Scenario::Rounds, budget));
    assert_eq!(found.verdict, Verdict::Complete, "{found:?}");
    assert!(found.states > 500, "{found:?}");
}
