//! The numbers and names a monitor lives by, each a type of its own so that they cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encode::{Decode, DecodeError, Encode, Reader};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A monitor's place in the monmap, from 0. On the wire it is a u32 in sets and an i32 elsewhere.
    Rank(u32)
}
number! {
    /// An election epoch: odd while an election runs, even while a quorum stands.
    Epoch(u32)
}
number! {
    /// A map's version as the map itself carries it, 0 before the first commit.
    MapEpoch(u32)
}
number! {
    /// A Paxos or service version, from 1; 0 means none yet.
    Version(u64)
}
number! {
    /// A Paxos proposal number: `n * 100 + rank`, unique per proposer.
    Pn(u64)
}
number! {
    /// A client's cluster-wide id, handed out once and never again; 0 means none.
    GlobalId(u64)
}

impl Epoch {
    /// Whether an election is running in this epoch.
    #[must_use]
    pub fn is_electing(self) -> bool {
        self.0 % 2 == 1
    }

    /// The following epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl MapEpoch {
    /// The following epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Version {
    /// The following version.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The version before, 0 stays 0.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// A cluster's identity: 16 raw bytes on the wire, a UUID in text.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fsid(pub uuid::Uuid);

impl fmt::Display for Fsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for Fsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fsid {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::parse_str(text).map(Self)
    }
}

impl Encode for Fsid {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

impl Decode for Fsid {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(uuid::Uuid::from_bytes(input.array()?)))
    }
    const SIZE_MIN: usize = 16;
}
