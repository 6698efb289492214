//! `FeatureMap`: how many connected peers show which features. Peons send theirs in LEASE_ACK.
//!
//! ```text
//! FeatureMap: ENCODE(1,1){ map<u32 entity type, map<u64 features, u64 count>> }
//! ```

use std::collections::BTreeMap;

use crate::encode::{Decode, Encode};
use crate::entity::EntityType;
use crate::features::Features;

/// Counts by entity type (raw, because peers may know more types) and features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct FeatureMap(pub BTreeMap<u32, BTreeMap<u64, u64>>);

impl FeatureMap {
    /// Counts one more peer.
    pub fn add(&mut self, kind: EntityType, features: Features) {
        *self.0.entry(kind as u32).or_default().entry(features.0).or_default() += 1;
    }

    /// Adds another map's counts.
    pub fn merge(&mut self, other: &Self) {
        for (kind, groups) in &other.0 {
            let ours = self.0.entry(*kind).or_default();
            for (features, count) in groups {
                let sum = ours.entry(*features).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
    }

    /// The counts with types that we know, in the order of their numbers.
    pub fn groups(&self) -> impl Iterator<Item = (EntityType, Features, u64)> {
        self.0.iter().filter_map(|(kind, groups)| Some((EntityType::from_number(*kind)?, groups))).flat_map(
            |(kind, groups)| groups.iter().map(move |(features, count)| (kind, Features(*features), *count)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let (mut ours, mut theirs) = (FeatureMap::default(), FeatureMap::default());
        ours.add(EntityType::Client, Features(7));
        theirs.add(EntityType::Client, Features(7));
        theirs.add(EntityType::Osd, Features(9));
        ours.merge(&theirs);
        let groups: Vec<_> = ours.groups().collect();
        assert_eq!(groups, [(EntityType::Osd, Features(9), 1), (EntityType::Client, Features(7), 2)]);
        assert_eq!(FeatureMap::from_bytes(&ours.to_bytes()), Ok(ours));
    }
}
