//! Who is who: entity types, `entity_name_t` (a number) and `EntityName` (an id in text).

use std::fmt;
use std::str::FromStr;

use crate::encode::{Decode, DecodeError, Encode, Reader};

/// What kind of process an entity is. The numbers are bits because Ceph also uses them in sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntityType {
    /// `mon`.
    Mon = 1,
    /// `mds`.
    Mds = 2,
    /// `osd`.
    Osd = 4,
    /// `client`.
    Client = 8,
    /// `mgr`.
    Mgr = 16,
    /// `auth`: the authentication service, in tickets and rotating keys.
    Auth = 32,
}

/// `EntityName`: the name that keys and caps belong to, such as `client.admin` or `mon.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName {
    /// The type.
    pub kind: EntityType,
    /// The id, empty for `mon.`.
    pub id: String,
}

/// `entity_name_t`: the numbered name that messages carry, such as `mon.0` or `client.4123`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityInstanceName {
    /// The type; raw because peers may send types that only they know.
    pub kind: u8,
    /// The rank, osd id or global id; -1 for a new one.
    pub number: i64,
}

impl EntityType {
    /// The type with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Mon,
            2 => Self::Mds,
            4 => Self::Osd,
            8 => Self::Client,
            16 => Self::Mgr,
            32 => Self::Auth,
            _ => return None,
        })
    }

    /// The word in names and keyrings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Mds => "mds",
            Self::Osd => "osd",
            Self::Client => "client",
            Self::Mgr => "mgr",
            Self::Auth => "auth",
        }
    }
}

impl EntityName {
    /// A name from its parts.
    #[must_use]
    pub fn new(kind: EntityType, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// `mon.`, the name that all monitors share.
    #[must_use]
    pub fn mon() -> Self {
        Self::new(EntityType::Mon, "")
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.as_str(), self.id)
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not `type.id` with one of Ceph's types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an entity name: use TYPE.ID with a type of auth, mon, osd, mds, mgr or client")]
pub struct BadEntityName(pub String);

impl FromStr for EntityName {
    type Err = BadEntityName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadEntityName(text.into());
        let (kind, id) = text.split_once('.').ok_or_else(bad)?;
        let kind = match kind {
            "mon" => EntityType::Mon,
            "mds" => EntityType::Mds,
            "osd" => EntityType::Osd,
            "client" => EntityType::Client,
            "mgr" => EntityType::Mgr,
            "auth" => EntityType::Auth,
            _ => return Err(bad()),
        };
        Ok(Self::new(kind, id))
    }
}

impl fmt::Display for EntityInstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EntityType::from_number(self.kind.into()) {
            Some(kind) => f.write_str(kind.as_str())?,
            None => write!(f, "unknown{}", self.kind)?,
        }
        if self.number < 0 { f.write_str(".?") } else { write!(f, ".{}", self.number) }
    }
}

impl fmt::Debug for EntityInstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Encode for EntityType {
    /// The u32 form of `EntityName` and of service sets.
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u32).encode(out);
    }
}

impl Decode for EntityType {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = u32::decode(input)?;
        Self::from_number(number)
            .ok_or_else(|| DecodeError::Invalid { what: "entity type", value: number.into() })
    }
    const SIZE_MIN: usize = 4;
}

impl Encode for EntityName {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kind.encode(out);
        self.id.encode(out);
    }
}

impl Decode for EntityName {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { kind: EntityType::decode(input)?, id: String::decode(input)? })
    }
    const SIZE_MIN: usize = 8;
}

impl Encode for EntityInstanceName {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kind.encode(out);
        self.number.encode(out);
    }
}

impl Decode for EntityInstanceName {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { kind: u8::decode(input)?, number: i64::decode(input)? })
    }
    const SIZE_MIN: usize = 9;
}
