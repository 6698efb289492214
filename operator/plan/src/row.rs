//! The decision table of docs/operator.md, one row a file, tried in this order.

pub(crate) mod backoff;
pub(crate) mod unknown_member;

mod adopt;
mod bootstrap;
mod deletion;
mod drain;
mod fence;
mod grow;
mod make_way;
mod paused;
mod prepare;
mod quorum_lost;
mod readdress;
mod recreate;
mod replace;
mod request;
mod resize;
mod restart;
mod shrink;
mod split_brain;
mod spread;
mod sweep;

pub(crate) use self::paused::hands_off;
pub(crate) use self::prepare::support;

use crate::decision::Row;
use crate::operation;
use crate::planner::{Choice, Planner};

type Try = fn(&mut Planner<'_>) -> Option<Choice>;

/// Rows that hold whatever people have asked us not to do.
pub(crate) const FIRST: [Try; 3] = [deletion::decide, fence::decide, split_brain::decide];

/// The others.
pub(crate) const REST: [Try; 19] = [
    prepare::decide,
    bootstrap_under_way,
    adopt::decide,
    bootstrap::decide,
    make_way::decide,
    quorum_lost::decide,
    operation::proceed,
    recreate::decide,
    unknown_member::decide,
    request::decide,
    replace::decide,
    grow::decide,
    shrink::decide,
    readdress::decide,
    spread::decide,
    drain::decide,
    restart::decide,
    resize::decide,
    sweep::decide,
];

/// Before there is a quorum to lose, the operation that makes the first one goes before the rows that ask for one.
fn bootstrap_under_way(p: &mut Planner<'_>) -> Option<Choice> {
    if p.status.bootstrapped { None } else { operation::proceed(p) }
}

/// The first row that matches; the last one always does.
pub(crate) fn first(rows: &[Try], p: &mut Planner<'_>) -> Option<Choice> {
    rows.iter().find_map(|row| row(p))
}

/// Whether support objects may be put right where nothing else is to be done.
pub(crate) const fn leaves_room(row: Row) -> bool {
    match row {
        Row::Deletion | Row::NotInCharge | Row::Fence | Row::SplitBrain | Row::Paused | Row::Prepare => false,
        Row::Bootstrap
        | Row::Adopt
        | Row::QuorumUnknown
        | Row::QuorumLost
        | Row::Operation
        | Row::Recreate
        | Row::UnknownMember
        | Row::Request
        | Row::Replace
        | Row::NoSpareNode
        | Row::Grow
        | Row::Shrink
        | Row::Readdress
        | Row::Spread
        | Row::Drain
        | Row::Restart
        | Row::Resize
        | Row::Sweep
        | Row::Idle => true,
    }
}
