//! Feature bits: those of the wire, which every peer shows, and those of monitors, which the monmap fixes.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use serde::{Deserialize, Serialize};

use crate::encode::{Decode, Encode};
use crate::release::{Release, ReleaseNumber};

/// The features that two ends of a connection negotiate (`CEPH_FEATURE_*`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(pub u64);

/// `mon_feature_t`: what monitors of a quorum must be able to do.
///
/// ```text
/// mon_feature_t: ENCODE(1,1){ u64 bits }
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct MonFeatures(pub u64);

impl Features {
    /// What every client must have: CRUSH tunables and the second form of addresses.
    pub const REQUIRED_OF_CLIENTS: Self = Self(0x0c01_0200_0204_0000);
    /// What every monitor must have to connect at all: bits 21 and 59.
    pub const REQUIRED_OF_MONS: Self = Self(1 << 21 | 1 << 59);
    /// What a quorum of Pacific monitors requires of a member (bits 2, 14, 16, 20, 21, 28, 39, 57, 61).
    const REQUIRED_PACIFIC: Self = Self(0x2200_0080_1031_4004);
    /// Subscriptions need no renewal and no acknowledgement.
    pub const MON_STATEFUL_SUB: Self = Self(1 << 57 | 1 << 39);
    /// 17. The oldest bit that tells a peer of 18 from one of 16: 16 already shows Reef's bit 31.
    pub const SERVER_QUINCY: Self = Self(INCARNATION_3 | 1 << 33);
    /// 19.
    pub const SERVER_SQUID: Self = Self(INCARNATION_3 | 1 << 49);
    /// 20.
    pub const SERVER_TENTACLE: Self = Self(INCARNATION_3 | 1 << 50);

    /// All that a release shows. Quincy and Squid were not watched; theirs are the sets of the release
    /// before them with their own server bit.
    #[must_use]
    pub fn all(release: Release) -> Self {
        Self(match release {
            Release::Pacific => 0x3f01_cfbd_fffd_ffff,
            Release::Quincy | Release::Reef => 0x3f01_cfbf_fffd_ffff,
            Release::Squid => 0x3f03_cfbf_fffd_ffff,
            Release::Tentacle => 0x3f07_ffff_fffd_ffff,
        })
    }

    /// What a quorum requires of a member once its monmap has these persistent features.
    #[must_use]
    pub fn required_in_quorum(persistent: MonFeatures) -> Self {
        let gates = [
            (MonFeatures::QUINCY, Self::SERVER_QUINCY),
            (MonFeatures::SQUID, Self::SERVER_SQUID),
            (MonFeatures::TENTACLE, Self::SERVER_TENTACLE),
        ];
        gates
            .into_iter()
            .filter(|(feature, _)| persistent.contains(*feature))
            .fold(Self::REQUIRED_PACIFIC, |required, (_, bits)| required | bits)
    }

    /// The release that `ceph features` shows for a peer with these. It lags behind the peer's own: a
    /// monitor of 16 says luminous of everybody, 18 says reef of its own clients, and 20 says squid.
    #[must_use]
    pub fn release_shown(self, by: Release) -> ReleaseNumber {
        const LUMINOUS: ReleaseNumber = ReleaseNumber(12);
        match self.release() {
            Some(Release::Tentacle | Release::Squid) if by >= Release::Squid => Release::Squid.number(),
            Some(Release::Tentacle | Release::Squid | Release::Reef | Release::Quincy)
                if by >= Release::Reef =>
            {
                Release::Reef.number()
            }
            Some(_) => LUMINOUS,
            None => ReleaseNumber::default(),
        }
    }

    /// The release of the peer that shows these, as far as the bits tell.
    #[must_use]
    pub fn release(self) -> Option<Release> {
        [
            (Self::SERVER_TENTACLE, Release::Tentacle),
            (Self::SERVER_SQUID, Release::Squid),
            // Nothing on the wire tells 17 from 18.
            (Self::SERVER_QUINCY, Release::Reef),
            (Self::REQUIRED_PACIFIC, Release::Pacific),
        ]
        .into_iter()
        .find(|(bits, _)| self.contains(*bits))
        .map(|(_, release)| release)
    }
}

/// Bits 57 and 28: the third reuse of the 64 bits.
const INCARNATION_3: u64 = 1 << 57 | 1 << 28;

impl MonFeatures {
    /// 16.
    pub const PACIFIC: Self = Self(1 << 6);
    /// Connectivity elections.
    pub const PINGING: Self = Self(1 << 7);
    /// 17.
    pub const QUINCY: Self = Self(1 << 8);
    /// 18.
    pub const REEF: Self = Self(1 << 9);
    /// 19.
    pub const SQUID: Self = Self(1 << 10);
    /// 20.
    pub const TENTACLE: Self = Self(1 << 11);
    /// Keys of type 2, and the cipher policy in the monmap.
    pub const CEPHX_AUTH_AES256K: Self = Self(1 << 31);
    /// NVMe-oF gateways may send differences.
    pub const NVMEOF_BEACON_DIFF: Self = Self(1 << 32);

    /// All that a release supports. Each of them becomes persistent once a whole quorum has it.
    #[must_use]
    pub fn all(release: Release) -> Self {
        Self(match release {
            Release::Pacific => 0xff,
            Release::Quincy => 0x1ff,
            Release::Reef => 0x3ff,
            Release::Squid => 0x7ff,
            Release::Tentacle => 0x1_8000_0fff,
        })
    }

    /// The bits that are set, lowest first, with their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..u64::BITS).filter(move |bit| self.0 >> bit & 1 == 1).map(name_of_bit)
    }
}

fn name_of_bit(bit: u32) -> &'static str {
    match bit {
        0 => "kraken",
        1 => "luminous",
        2 => "mimic",
        3 => "osdmap-prune",
        4 => "nautilus",
        5 => "octopus",
        6 => "pacific",
        7 => "elector-pinging",
        8 => "quincy",
        9 => "reef",
        10 => "squid",
        11 => "tentacle",
        31 => "cephx_auth_aes256k",
        32 => "nvmeof_beacon_diff",
        63 => "reserved",
        _ => "unknown",
    }
}

macro_rules! bit_set {
    ($name:ident) => {
        impl $name {
            /// Whether everything in `other` is in this one.
            #[must_use]
            pub fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// What of this one is not in `other`.
            #[must_use]
            pub fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether nothing is in it.
            #[must_use]
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitAnd for $name {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($name), self.0)
            }
        }
    };
}
bit_set!(Features);
bit_set!(MonFeatures);

impl fmt::Display for Features {
    /// The bits as powers of two, as logs name missing ones: `2^33+2^50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits: Vec<_> =
            (0..u64::BITS).filter(|bit| self.0 >> bit & 1 == 1).map(|bit| format!("2^{bit}")).collect();
        f.write_str(&bits.join("+"))
    }
}

impl fmt::Display for MonFeatures {
    /// `[kraken,luminous]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.names().collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_covers_what_its_own_quorum_requires() {
        for release in Release::ALL {
            let required = Features::required_in_quorum(MonFeatures::all(release));
            assert!(Features::all(release).contains(required), "{release}");
        }
    }

    #[test]
    fn older_releases_lack_what_stock_logs_name() {
        let missing = |has, quorum| {
            Features::required_in_quorum(MonFeatures::all(quorum)).without(Features::all(has)).to_string()
        };
        assert_eq!(missing(Release::Pacific, Release::Reef), "2^33");
        assert_eq!(missing(Release::Reef, Release::Tentacle), "2^49+2^50");
        assert_eq!(missing(Release::Tentacle, Release::Pacific), "");
    }

    #[test]
    fn peers_are_told_apart_by_their_bits() {
        for release in [Release::Pacific, Release::Reef, Release::Squid, Release::Tentacle] {
            assert_eq!(Features::all(release).release(), Some(release));
        }
        assert_eq!(Features(0).release(), None);
    }

    #[test]
    fn reports_name_the_releases_that_stock_monitors_name() {
        for (release, name) in
            [(Release::Pacific, "luminous"), (Release::Reef, "reef"), (Release::Tentacle, "squid")]
        {
            assert_eq!(Features::all(release).release_shown(release).name(), name);
        }
        assert_eq!(Features::all(Release::Tentacle).release_shown(Release::Pacific).name(), "luminous");
    }

    #[test]
    fn names() {
        assert_eq!(MonFeatures(0x81).to_string(), "[kraken,elector-pinging]");
        assert_eq!(MonFeatures::all(Release::Tentacle).names().last(), Some("nvmeof_beacon_diff"));
    }
}
