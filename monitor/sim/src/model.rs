//! The core driven exhaustively at small size: every order in which messages arrive, disks finish, timers fire,
//! sessions break and processes die, within a budget for each. What the simulator samples at length, this completes
//! in the small.
//!
//! A [`State`] is whole: members with their stores, what is on its way between them and to disk, and what is left of
//! the [`Budget`]. Every member has a clock of its own that moves only when its timer fires, so that steps of
//! different members commute and lead to one state. docs/model.md says what is explored and what is not.

mod member;
mod search;
mod state;

pub use search::{Found, Search, Verdict};
pub use state::{Budget, Scenario, State, Step};
