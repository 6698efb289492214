//! Ceph's releases, by number and name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::encode::{Decode, Encode};

/// A release that this monitor can present itself as, or meet in a quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Release {
    /// 16.
    Pacific = 16,
    /// 17.
    Quincy = 17,
    /// 18.
    Reef = 18,
    /// 19.
    Squid = 19,
    /// 20.
    Tentacle = 20,
}

/// A release number as maps and messages carry it, known to us or not; 0 means unknown.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u8);

/// Names by number.
const NAMES: [&str; 21] = [
    "unknown",
    "argonaut",
    "bobtail",
    "cuttlefish",
    "dumpling",
    "emperor",
    "firefly",
    "giant",
    "hammer",
    "infernalis",
    "jewel",
    "kraken",
    "luminous",
    "mimic",
    "nautilus",
    "octopus",
    "pacific",
    "quincy",
    "reef",
    "squid",
    "tentacle",
];

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::Pacific, Self::Quincy, Self::Reef, Self::Squid, Self::Tentacle];

    /// The release with this number.
    #[must_use]
    pub fn from_number(number: ReleaseNumber) -> Option<Self> {
        Self::ALL.into_iter().find(|release| *release as u8 == number.0)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> ReleaseNumber {
        ReleaseNumber(self as u8)
    }

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.number().name()
    }
}

impl ReleaseNumber {
    /// The name in lower case; `unknown` for numbers after the newest that we know.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or(NAMES[0])
    }
}

impl From<Release> for ReleaseNumber {
    fn from(release: Release) -> Self {
        release.number()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no release that we can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a release: use pacific, quincy, reef, squid or tentacle, or its number")]
pub struct BadRelease(pub String);

impl FromStr for Release {
    type Err = BadRelease;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |release: &Self| release.name() == text || (*release as u8).to_string() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| BadRelease(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for release in Release::ALL {
            assert_eq!(release.name().parse(), Ok(release));
            assert_eq!(release.number().0.to_string().parse(), Ok(release));
            assert_eq!(Release::from_number(release.number()), Some(release));
        }
        assert_eq!(ReleaseNumber(12).name(), "luminous");
        assert_eq!(ReleaseNumber(200).name(), "unknown");
        assert!("octopus".parse::<Release>().is_err());
    }
}
