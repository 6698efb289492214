//! `MonMap`: who the monitors are, where, and under which rules they vote.
//!
//! ```text
//! MonMap:     ENCODE(9 or 10, 6){ fsid | u32 epoch | utime changed | utime created
//!             | mon_feature_t persistent, optional | map<string, mon_info_t> | vec<string> ranks
//!             | u8 min_mon_release | set<u32> removed_ranks | u8 strategy | set<string> disallowed
//!             | u8 stretch | string tiebreaker | set<string> stretch_marked_down
//!             | v10: u32 auth_epoch | u32 service cipher | vec<u32> allowed | u32 preferred }
//! mon_info_t: ENCODE(5 or 6, 1){ string name | addrvec | u16 priority | u16 weight
//!             | map<string, string> crush_location | v6: utime time_added }
//! ```
//!
//! Every version of the map is stored whole. A map is written in the shape in which it was read: 20 uses
//! v10, 16 and 18 use v9.

use std::collections::{BTreeMap, BTreeSet};

use crate::addr::{AddrType, AddrVec, EntityAddr};
use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};
use crate::features::MonFeatures;
use crate::id::{Fsid, MapEpoch, Rank};
use crate::release::ReleaseNumber;
use crate::tail::Tail;
use crate::time::UTime;

mod ciphers;
mod strategy;

pub use ciphers::{Cipher, CipherPolicy};
pub use strategy::ElectionStrategy;

/// The map of monitors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonMap {
    /// The cluster.
    pub fsid: Fsid,
    /// The map's version; 0 until the first quorum has committed it.
    pub epoch: MapEpoch,
    /// When it last changed.
    pub changed: UTime,
    /// When the cluster was made.
    pub created: UTime,
    /// Features that were fixed for good.
    pub persistent_features: MonFeatures,
    /// Features that were switched on and can be switched off.
    pub optional_features: MonFeatures,
    /// The monitors by name.
    pub mons: BTreeMap<String, MonInfo>,
    /// The names in rank order.
    pub ranks: Vec<String>,
    /// The oldest release that may join.
    pub min_mon_release: ReleaseNumber,
    /// Ranks that were removed when this map took effect; connection trackers shift by them.
    pub removed_ranks: BTreeSet<Rank>,
    /// How leaders are chosen.
    pub strategy: ElectionStrategy,
    /// Who may not lead.
    pub disallowed_leaders: BTreeSet<String>,
    /// Whether the cluster is stretched over two sites.
    pub stretch_mode: bool,
    /// The third site's monitor in stretch mode.
    pub tiebreaker: String,
    /// Who is marked down in stretch mode.
    pub stretch_marked_down: BTreeSet<String>,
    /// The cipher policy of 20.2.4 and newer; none in maps of the older shape.
    pub ciphers: Option<CipherPolicy>,
    /// What a newer release has appended.
    pub tail: Tail,
}

/// One monitor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonInfo {
    /// Its name, without `mon.`.
    pub name: String,
    /// Where it listens.
    pub addrs: AddrVec,
    /// Clients prefer lower values.
    pub priority: u16,
    /// Among equals, clients prefer higher values.
    pub weight: u16,
    /// Its place in CRUSH terms.
    pub crush_location: BTreeMap<String, String>,
    /// When it was added; none in maps of the older shape.
    pub time_added: Option<UTime>,
    /// What a newer release has appended.
    pub tail: Tail,
}

/// Why a monitor cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The name is taken.
    #[error("mon.{0} is already in the monmap")]
    NameTaken(String),
    /// Another monitor has one of the addresses.
    #[error("{addr} already belongs to mon.{name}")]
    AddrTaken {
        /// The address.
        addr: EntityAddr,
        /// Whose it is.
        name: String,
    },
}

impl MonMap {
    /// How many monitors there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.mons.len()
    }

    /// The fewest monitors that are a majority.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.size() / 2 + 1
    }

    /// What every member must support.
    #[must_use]
    pub fn required_features(&self) -> MonFeatures {
        self.persistent_features | self.optional_features
    }

    /// The rank of a monitor by name.
    #[must_use]
    pub fn rank_of(&self, name: &str) -> Option<Rank> {
        // A map has at most a few dozen monitors.
        self.ranks.iter().position(|n| n == name).map(|i| Rank(i as u32))
    }

    /// The rank of the monitor that has any of these addresses.
    #[must_use]
    pub fn rank_of_addrs(&self, addrs: &AddrVec) -> Option<Rank> {
        addrs.0.iter().find_map(|addr| self.name_of_addr(addr)).and_then(|name| self.rank_of(name))
    }

    /// The monitor that has this address.
    #[must_use]
    pub fn name_of_addr(&self, addr: &EntityAddr) -> Option<&str> {
        self.mons.values().find(|info| info.addrs.0.contains(addr)).map(|info| info.name.as_str())
    }

    /// The name behind a rank.
    #[must_use]
    pub fn name_of(&self, rank: Rank) -> Option<&str> {
        self.ranks.get(rank.0 as usize).map(String::as_str)
    }

    /// The monitor behind a rank.
    #[must_use]
    pub fn info_of(&self, rank: Rank) -> Option<&MonInfo> {
        self.mons.get(self.name_of(rank)?)
    }

    /// The addresses behind a rank.
    #[must_use]
    pub fn addrs_of(&self, rank: Rank) -> Option<&AddrVec> {
        self.info_of(rank).map(|info| &info.addrs)
    }

    /// The monitors in rank order.
    pub fn by_rank(&self) -> impl Iterator<Item = (Rank, &MonInfo)> {
        let infos = self.ranks.iter().enumerate();
        infos.filter_map(|(i, name)| Some((Rank(i as u32), self.mons.get(name)?)))
    }

    /// Appends a monitor at the highest rank. In a map with a cipher policy it should say when it was added.
    ///
    /// # Errors
    /// [`AddError`] when its name or an address is taken.
    pub fn add(&mut self, info: MonInfo) -> Result<Rank, AddError> {
        if self.mons.contains_key(&info.name) {
            return Err(AddError::NameTaken(info.name));
        }
        for addr in &info.addrs.0 {
            if let Some(name) = self.name_of_addr(addr) {
                return Err(AddError::AddrTaken { addr: *addr, name: name.into() });
            }
        }
        self.ranks.push(info.name.clone());
        self.mons.insert(info.name.clone(), info);
        Ok(Rank(self.ranks.len() as u32 - 1))
    }

    /// Removes a monitor; higher ranks move down by one. Gives the rank that it had.
    pub fn remove(&mut self, name: &str) -> Option<Rank> {
        let rank = self.rank_of(name)?;
        self.ranks.remove(rank.0 as usize);
        self.mons.remove(name);
        self.disallowed_leaders.remove(name);
        self.removed_ranks.insert(rank);
        Some(rank)
    }

    /// Gives a monitor another name; its rank stays. `false` when there is none or the new name is taken.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        if self.mons.contains_key(to) {
            return false;
        }
        let Some(mut info) = self.mons.remove(from) else { return false };
        info.name = to.into();
        self.mons.insert(to.into(), info);
        for name in self.ranks.iter_mut().filter(|name| *name == from) {
            *name = to.into();
        }
        true
    }

    /// Moves a monitor to a rank; those between shift by one. `false` when there is no such monitor or rank.
    pub fn set_rank(&mut self, name: &str, rank: Rank) -> bool {
        let (Some(old), new) = (self.rank_of(name), rank.0 as usize) else { return false };
        if new >= self.ranks.len() {
            return false;
        }
        let name = self.ranks.remove(old.0 as usize);
        self.ranks.insert(new, name);
        true
    }

    /// Orders the ranks by address, as all monitors do with a map of epoch 0: every member must come to
    /// the same ranks before there is a quorum that could say so.
    pub fn rank_by_address(&mut self) {
        let mut infos: Vec<_> = self.mons.values().collect();
        infos.sort_by_key(|info| (address_order(&info.addrs), info.name.as_str()));
        self.ranks = infos.into_iter().map(|info| info.name.clone()).collect();
    }

    /// Whether ranks and monitors are about the same names; the decoder refuses maps where they are not.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let ranked: BTreeSet<_> = self.ranks.iter().collect();
        ranked.len() == self.ranks.len()
            && ranked.into_iter().eq(self.mons.keys())
            && self.mons.iter().all(|(name, info)| *name == info.name)
    }
}

impl MonInfo {
    /// A monitor with default priority and no location.
    #[must_use]
    pub fn new(name: impl Into<String>, addrs: AddrVec) -> Self {
        Self { name: name.into(), addrs, ..Self::default() }
    }
}

/// Ceph compares addresses as raw memory: type and nonce (little endian, so byte by byte from the low
/// end), then the socket address with its port before the address. A legacy address goes first.
fn address_order(addrs: &AddrVec) -> Vec<u8> {
    let legacy = addrs.0.iter().find(|addr| addr.kind == AddrType::Legacy);
    let Some(addr) = legacy.or_else(|| addrs.0.first()) else { return Vec::new() };
    let bytes = addr.to_bytes();
    // After the marker and the envelope's header come type, nonce, and the length of the rest.
    [&bytes[7..15], &bytes[19..]].concat()
}

const MON_INFO_VERSION: u8 = 6;

impl Encode for MonInfo {
    fn encode(&self, out: &mut Vec<u8>) {
        let version = self.tail.version(if self.time_added.is_some() { MON_INFO_VERSION } else { 5 });
        envelope(out, version, 1, |out| {
            self.name.encode(out);
            self.addrs.encode(out);
            self.priority.encode(out);
            self.weight.encode(out);
            self.crush_location.encode(out);
            if let Some(time_added) = self.time_added {
                time_added.encode(out);
            }
            self.tail.append(out);
        });
    }
}

impl Decode for MonInfo {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("mon_info_t", MON_INFO_VERSION, |version, input| {
            Ok(Self {
                name: Decode::decode(input)?,
                addrs: Decode::decode(input)?,
                priority: if version >= 2 { Decode::decode(input)? } else { 0 },
                weight: if version >= 4 { Decode::decode(input)? } else { 0 },
                crush_location: if version >= 5 { Decode::decode(input)? } else { BTreeMap::new() },
                time_added: (version >= 6).then(|| Decode::decode(input)).transpose()?,
                tail: Tail::take(version, MON_INFO_VERSION, input),
            })
        })
    }
    const SIZE_MIN: usize = 15;
}

const MONMAP_VERSION: u8 = 10;

impl Encode for MonMap {
    fn encode(&self, out: &mut Vec<u8>) {
        let version = self.tail.version(if self.ciphers.is_some() { MONMAP_VERSION } else { 9 });
        envelope(out, version, 6, |out| {
            self.fsid.encode(out);
            self.epoch.encode(out);
            self.changed.encode(out);
            self.created.encode(out);
            self.persistent_features.encode(out);
            self.optional_features.encode(out);
            self.mons.encode(out);
            self.ranks.encode(out);
            self.min_mon_release.encode(out);
            self.removed_ranks.encode(out);
            self.strategy.encode(out);
            self.disallowed_leaders.encode(out);
            self.stretch_mode.encode(out);
            self.tiebreaker.encode(out);
            self.stretch_marked_down.encode(out);
            if let Some(ciphers) = &self.ciphers {
                ciphers.encode(out);
            }
            self.tail.append(out);
        });
    }
}

impl Decode for MonMap {
    /// Takes v6 and newer, which is what Nautilus and its successors write.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("MonMap", MONMAP_VERSION, |version, input| {
            if version < 6 {
                return Err(DecodeError::Invalid { what: "MonMap version", value: version.into() });
            }
            let mut map = Self {
                fsid: Decode::decode(input)?,
                epoch: Decode::decode(input)?,
                changed: Decode::decode(input)?,
                created: Decode::decode(input)?,
                persistent_features: Decode::decode(input)?,
                optional_features: Decode::decode(input)?,
                mons: Decode::decode(input)?,
                ranks: Decode::decode(input)?,
                ..Self::default()
            };
            if version >= 7 {
                map.min_mon_release = Decode::decode(input)?;
            }
            if version >= 8 {
                map.removed_ranks = Decode::decode(input)?;
                map.strategy = Decode::decode(input)?;
                map.disallowed_leaders = Decode::decode(input)?;
            }
            if version >= 9 {
                map.stretch_mode = Decode::decode(input)?;
                map.tiebreaker = Decode::decode(input)?;
                map.stretch_marked_down = Decode::decode(input)?;
            }
            if version >= 10 {
                map.ciphers = Some(Decode::decode(input)?);
            }
            map.tail = Tail::take(version, MONMAP_VERSION, input);
            if !map.is_consistent() {
                return Err(DecodeError::Invalid { what: "MonMap ranks", value: map.ranks.len() as u64 });
            }
            Ok(map)
        })
    }
    const SIZE_MIN: usize = 98;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(text: &str) -> AddrVec {
        AddrVec::msgr2(text.parse().unwrap())
    }

    fn three() -> MonMap {
        let mut map = MonMap::default();
        for (name, addr) in [("a", "10.0.0.9:3300"), ("b", "10.0.0.5:3300"), ("c", "10.0.0.7:3300")] {
            map.add(MonInfo::new(name, addrs(addr))).unwrap();
        }
        map
    }

    #[test]
    fn removal_moves_higher_ranks_down_and_is_remembered() {
        let mut map = three();
        map.disallowed_leaders.insert("b".into());
        assert_eq!(map.remove("b"), Some(Rank(1)));
        assert_eq!((map.ranks.join(""), map.rank_of("c"), map.size()), ("ac".into(), Some(Rank(1)), 2));
        assert_eq!(map.removed_ranks, BTreeSet::from([Rank(1)]));
        assert!(map.disallowed_leaders.is_empty() && map.is_consistent());
        assert_eq!(map.remove("b"), None);
    }

    #[test]
    fn names_and_addresses_are_unique() {
        let mut map = three();
        assert_eq!(map.add(MonInfo::new("a", addrs("10.0.0.1:1"))), Err(AddError::NameTaken("a".into())));
        let error = map.add(MonInfo::new("d", addrs("10.0.0.5:3300")));
        assert!(matches!(error, Err(AddError::AddrTaken { name, .. }) if name == "b"));
        assert_eq!(map.rank_of_addrs(&addrs("10.0.0.7:3300")), Some(Rank(2)));
    }

    #[test]
    fn initial_ranks_compare_the_port_before_the_address() {
        let mut map = three();
        map.add(MonInfo::new("d", addrs("10.0.0.99:1000"))).unwrap();
        map.rank_by_address();
        assert_eq!(map.ranks, ["d", "b", "c", "a"]);
        assert!(map.is_consistent());
    }

    #[test]
    fn rename_and_set_rank_keep_the_map_whole() {
        let mut map = three();
        assert!(map.rename("b", "x") && !map.rename("a", "x") && !map.rename("b", "y"));
        assert!(map.set_rank("c", Rank(0)) && !map.set_rank("c", Rank(3)));
        assert_eq!(map.ranks, ["c", "a", "x"]);
        assert!(map.is_consistent());
    }

    #[test]
    fn what_a_newer_release_appended_survives() {
        let mut map = three();
        map.ciphers = Some(CipherPolicy::strict());
        let bytes = map.to_bytes();
        let mut newer = Vec::new();
        envelope(&mut newer, 11, 6, |out| {
            out.extend_from_slice(&bytes[6..]);
            out.extend_from_slice(b"new fields");
        });
        let read = MonMap::from_bytes(&newer).unwrap();
        assert_eq!(read.to_bytes(), newer);
        assert!(!read.tail.is_empty());
    }

    #[test]
    fn maps_whose_ranks_and_monitors_disagree_are_refused() {
        let mut map = three();
        map.ranks.pop();
        let error = MonMap::from_bytes(&map.to_bytes());
        assert_eq!(error, Err(DecodeError::Invalid { what: "MonMap ranks", value: 2 }));
    }
}
