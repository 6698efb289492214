//! Quorum arithmetic that the operator, the PodDisruptionBudget and the plugin share.

/// How many of `size` monitors are a majority.
pub const fn majority(size: u32) -> u32 {
    size / 2 + 1
}

/// How many members may be disrupted at a time: `maxUnavailable` of the PodDisruptionBudget.
///
/// `voters` is the size of the committed monmap, `replicas` what the spec asks for. While the cluster grows
/// the budget follows the map, while it shrinks the spec: it is never larger than either allows. With
/// one or two monitors it is 0, as each is needed.
pub fn disruption_budget(voters: u32, replicas: u32, unavailable_max: u32) -> u32 {
    let size = voters.min(replicas);
    unavailable_max.min(size.saturating_sub(majority(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_always_stays() {
        let budgets: Vec<_> = (0..=9).map(|size| disruption_budget(size, 9, 9)).collect();
        assert_eq!(budgets, [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]);
        assert_eq!(disruption_budget(5, 5, 1), 1);
        assert_eq!(disruption_budget(3, 1, 1), 0, "on the way down to one");
        assert_eq!(disruption_budget(2, 3, 1), 0, "on the way up to three");
    }
}
