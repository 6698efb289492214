//! Who should lead, by rank alone (`classic`), or by rank among those who may (`disallow`).

use mon_types::id::Rank;

use super::Reaction;

/// What makes one candidate better than another: those who may lead first, then the lower rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// Disallowed by the map, or leaving its place to others for now.
    pub(super) withheld: bool,
    pub(super) rank: Rank,
}

/// What to do about a proposal of `from`, given who was acknowledged in this epoch.
pub(super) fn react(me: Claim, from: Claim, acked: Option<Claim>, candidate: bool) -> Reaction {
    if from.withheld {
        // It cannot win; somebody who can should know that an election runs.
        return if !me.withheld && !candidate && acked.is_none() {
            Reaction::Counter
        } else {
            Reaction::Ignore
        };
    }
    if from < me {
        return if acked.is_none_or(|acked| from <= acked) { Reaction::Defer } else { Reaction::Ignore };
    }
    if acked.is_some() || candidate { Reaction::Ignore } else { Reaction::Counter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(rank: u32) -> Claim {
        Claim { withheld: false, rank: Rank(rank) }
    }

    fn withheld(rank: u32) -> Claim {
        Claim { withheld: true, rank: Rank(rank) }
    }

    #[test]
    fn the_lower_rank_wins() {
        assert_eq!(react(claim(1), claim(0), None, true), Reaction::Defer);
        assert_eq!(react(claim(1), claim(2), None, false), Reaction::Counter);
        assert_eq!(react(claim(1), claim(2), None, true), Reaction::Ignore, "we propose already");
        assert_eq!(react(claim(2), claim(1), Some(claim(0)), false), Reaction::Ignore);
        assert_eq!(react(claim(2), claim(0), Some(claim(1)), false), Reaction::Defer);
        assert_eq!(react(claim(1), claim(2), Some(claim(0)), false), Reaction::Ignore);
    }

    #[test]
    fn who_may_not_lead_defers_to_anybody_who_may() {
        assert_eq!(react(withheld(0), claim(2), None, false), Reaction::Defer);
        assert_eq!(react(claim(2), withheld(0), None, false), Reaction::Counter);
        assert_eq!(react(claim(2), withheld(0), Some(claim(1)), false), Reaction::Ignore);
        assert_eq!(react(withheld(1), withheld(0), None, false), Reaction::Ignore);
    }
}
