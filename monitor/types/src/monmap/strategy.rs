//! How a quorum chooses its leader.

use crate::encode::{Decode, DecodeError, Encode, Reader};

/// How leaders are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ElectionStrategy {
    /// The lowest rank.
    #[default]
    Classic = 1,
    /// The lowest rank that is not disallowed.
    Disallow = 2,
    /// The best connected that is not disallowed.
    Connectivity = 3,
}

impl ElectionStrategy {
    /// The strategy with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Classic,
            2 => Self::Disallow,
            3 => Self::Connectivity,
            _ => return None,
        })
    }

    /// The word in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Disallow => "disallow",
            Self::Connectivity => "connectivity",
        }
    }
}

impl Encode for ElectionStrategy {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for ElectionStrategy {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = u8::decode(input)?;
        Self::from_number(number)
            .ok_or_else(|| DecodeError::Invalid { what: "election strategy", value: number.into() })
    }
}
