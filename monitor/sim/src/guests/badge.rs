//! What guests may do: kinds of caps, and in our own words what each permits, to compare the core's judgement with.

use mon_types::caps::MonCap;

use super::deed::Deed;
use crate::history::{Action, Key};

/// See the module documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Badge {
    /// Everything.
    Admin,
    /// Config keys, to read and to write.
    Keeper,
    /// To look at everything but config keys.
    Reader,
    /// To read and to set one config key.
    OneKey,
    /// Nothing.
    Nobody,
}

impl Badge {
    /// All kinds, those that can do much more often.
    pub const ALL: [Self; 8] = [
        Self::Admin,
        Self::Admin,
        Self::Keeper,
        Self::Keeper,
        Self::Keeper,
        Self::Reader,
        Self::OneKey,
        Self::Nobody,
    ];

    /// As the cluster knows it.
    #[must_use]
    pub fn caps(self) -> MonCap {
        let text = match self {
            Self::Admin => "allow *",
            Self::Keeper => "allow service config-key rw",
            Self::Reader => "allow r",
            Self::OneKey => {
                "allow command \"config-key get\" with key=\"r\", allow command \"config-key set\" with key=\"r\""
            }
            Self::Nobody => "",
        };
        // Text that did not parse would grant nothing, which every permitted deed would show.
        text.parse().unwrap_or_default()
    }

    /// Whether it permits a deed.
    #[must_use]
    pub fn permits(self, deed: &Deed) -> bool {
        match (self, deed) {
            (Self::Admin, _) | (_, Deed::MapVersion) | (Self::Keeper, Deed::Kv { .. } | Deed::Get { .. }) => {
                true
            }
            (Self::OneKey, Deed::Get { key } | Deed::Kv { key, action: Action::Write(_), .. }) => {
                *key == Key(0)
            }
            (Self::Keeper | Self::Reader | Self::OneKey | Self::Nobody, _) => false,
        }
    }

    /// Whether it may subscribe to a name.
    #[must_use]
    pub fn may_follow(self, name: &str) -> bool {
        match self {
            Self::Admin => true,
            Self::Keeper | Self::OneKey => name == "monmap" || name.starts_with("kv:"),
            Self::Reader => name == "monmap" || name.starts_with("log-"),
            Self::Nobody => name == "monmap",
        }
    }

    /// Whether it may know what a config key holds.
    #[must_use]
    pub fn may_see(self, key: &str) -> bool {
        match self {
            Self::Admin | Self::Keeper => true,
            Self::OneKey => key == "r",
            Self::Reader | Self::Nobody => false,
        }
    }
}
