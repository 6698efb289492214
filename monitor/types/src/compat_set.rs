//! `CompatSet`: what a reader of the store must understand (`monitor/feature_set`).
//!
//! ```text
//! CompatSet:  FeatureSet compat | FeatureSet ro_compat | FeatureSet incompat
//! FeatureSet: u64 mask | map<u64 id, string name>
//! ```
//!
//! The set grows with the monmap's persistent features and never from the binary alone.

use std::collections::BTreeMap;

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::features::MonFeatures;
use crate::release::Release;

/// Features by what happens to a reader that lacks them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct CompatSet {
    /// Nothing happens.
    pub compat: FeatureSet,
    /// It must not write.
    pub ro_compat: FeatureSet,
    /// It must not even read.
    pub incompat: FeatureSet,
}

/// Features by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureSet(BTreeMap<u64, String>);

/// What every monitor store has, from mkfs on.
const INITIAL: [(u64, &str); 2] =
    [(1, "initial feature set (~v.18)"), (3, "single paxos with k/v store (v0.?)")];

/// What every quorum of the releases that we know has added.
const QUORUM: [(u64, &str); 5] = [
    (4, "support erasure code pools"),
    (5, "new-style osdmap encoding"),
    (6, "support isa/lrc erasure code"),
    (7, "support shec erasure code"),
    (8, "support monmap features"),
];

/// What a persistent monitor feature (by bit) adds.
const PERSISTENT: [(u32, u64, &str); 11] = [
    (1, 9, "luminous ondisk layout"),
    (2, 10, "mimic ondisk layout"),
    (4, 11, "nautilus ondisk layout"),
    (5, 12, "octopus ondisk layout"),
    (6, 13, "pacific ondisk layout"),
    (8, 14, "quincy ondisk layout"),
    (9, 15, "reef ondisk layout"),
    (10, 16, "squid ondisk layout"),
    (11, 17, "tentacle ondisk layout"),
    (31, 31, "cephx auth aes256k"),
    (32, 32, "nvmeof beacon diff"),
];

impl CompatSet {
    /// What mkfs writes.
    #[must_use]
    pub fn initial() -> Self {
        let incompat = INITIAL.iter().map(|(id, name)| (*id, (*name).to_owned())).collect();
        Self { incompat: FeatureSet(incompat), ..Self::default() }
    }

    /// What a store has whose monmap fixed these features.
    #[must_use]
    pub fn with_features(persistent: MonFeatures) -> Self {
        let mut set = Self::initial();
        let persistent = PERSISTENT
            .iter()
            .filter(|(bit, ..)| persistent.contains(MonFeatures(1 << bit)))
            .map(|(_, id, name)| (*id, *name));
        set.incompat.0.extend(QUORUM.into_iter().chain(persistent).map(|(id, name)| (id, name.to_owned())));
        set
    }

    /// What the newest release that we can be understands.
    #[must_use]
    pub fn supported() -> Self {
        Self::with_features(MonFeatures::all(Release::Tentacle))
    }

    /// The features that a writer needs and `self` lacks, with their ids.
    pub fn lacking<'a>(&self, needed: &'a Self) -> impl Iterator<Item = (u64, &'a str)> {
        let incompat = needed.incompat.without(&self.incompat);
        incompat.chain(needed.ro_compat.without(&self.ro_compat))
    }

    /// Adds what `other` has; whether anything was new.
    pub fn merge(&mut self, other: &Self) -> bool {
        let before = self.clone();
        self.compat.0.extend(other.compat.0.clone());
        self.ro_compat.0.extend(other.ro_compat.0.clone());
        self.incompat.0.extend(other.incompat.0.clone());
        before != *self
    }
}

impl FeatureSet {
    /// The features, lowest id first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.0.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// Ids below 64, which the decoder makes sure of.
    fn mask(&self) -> u64 {
        self.0.keys().fold(0, |mask, id| mask | 1 << (id & 63))
    }

    /// Clones only the ids, so that the result lives as long as `self`.
    fn without<'a>(&'a self, other: &Self) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        let mask = other.mask();
        self.iter().filter(move |(id, _)| mask >> (id & 63) & 1 == 0)
    }
}

impl Encode for FeatureSet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.mask().encode(out);
        self.0.encode(out);
    }
}

impl Decode for FeatureSet {
    /// A mask that says anything else than the names is refused: what is required must not be guessed.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mask = u64::decode(input)?;
        let set = Self(Decode::decode(input)?);
        if set.0.keys().any(|id| !(1..64).contains(id)) || set.mask() != mask {
            return Err(DecodeError::Invalid { what: "CompatSet mask", value: mask });
        }
        Ok(set)
    }
    const SIZE_MIN: usize = 12;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_20_is_too_new_for_18() {
        let ours = CompatSet::with_features(MonFeatures::all(Release::Reef));
        let theirs = CompatSet::with_features(MonFeatures::all(Release::Tentacle));
        let lacking: Vec<_> = ours.lacking(&theirs).map(|(id, _)| id).collect();
        assert_eq!(lacking, [16, 17, 31, 32]);
        assert_eq!(theirs.lacking(&ours).count(), 0);
    }

    #[test]
    fn sets_only_grow() {
        let mut set = CompatSet::initial();
        assert!(set.merge(&CompatSet::with_features(MonFeatures::all(Release::Pacific))));
        assert_eq!(
            set.incompat.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
        );
        assert!(!set.merge(&CompatSet::initial()));
    }

    #[test]
    fn a_mask_beyond_the_names_is_refused() {
        let mut bytes = CompatSet::initial().to_bytes().to_vec();
        bytes[24] |= 0x80;
        let error = CompatSet::from_bytes(&bytes);
        assert_eq!(error, Err(DecodeError::Invalid { what: "CompatSet mask", value: 0x8a }));
    }
}
