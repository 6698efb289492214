//! The cephx server's data, and the auth service's values in the store.
//!
//! ```text
//! KeyServerData: u8 1 | u64 version | u64 rotating_ver | map<EntityName, EntityAuth>
//!              | map<u32 service, RotatingSecrets>
//! auth/full_N:   u8 1 | u64 max_global_id | KeyServerData
//! auth/N:        u8 1 | { ENCODE(2,2){ u32 0, u64 max_global_id | u32 1, u32 2 (cephx), bl change } }
//! change:        u8 1 | u32 op | op 3: bl rotating | else: EntityName, EntityAuth
//! rotating:      u8 1 | u64 rotating_ver | map<u32 service, RotatingSecrets>
//! ```

use std::collections::BTreeMap;

use crate::auth::{EntityAuth, RotatingSecrets};
use crate::encode::{Decode, DecodeError, Encode, Reader, envelope, prefixed};
use crate::entity::{EntityName, EntityType};

/// All that the cephx server knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct KeyServerData {
    /// The auth service's version.
    pub version: u64,
    /// Counts changes of the rotating keys.
    pub rotating_version: u64,
    /// Keys and capabilities.
    pub secrets: BTreeMap<EntityName, EntityAuth>,
    /// Rotating keys by service.
    pub rotating: BTreeMap<EntityType, RotatingSecrets>,
}

impl KeyServerData {
    /// Does what a change says.
    pub fn apply(&mut self, change: &KeyServerChange) {
        match change {
            KeyServerChange::Nothing { .. } => {}
            KeyServerChange::Add { name, auth } => {
                self.secrets.insert(name.clone(), auth.clone());
            }
            KeyServerChange::Remove { name, .. } => {
                self.secrets.remove(name);
            }
            KeyServerChange::SetRotating(rotating) => {
                self.rotating_version = rotating.version;
                self.rotating.clone_from(&rotating.secrets);
            }
        }
    }
}

/// The value of `auth/full_N`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct AuthFull {
    /// Global ids up to this one may have been handed out.
    pub max_global_id: u64,
    /// The keys.
    pub keys: KeyServerData,
}

/// The value of `auth/N`: changes in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthIncremental(pub Vec<AuthChange>);

/// One change of the auth service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthChange {
    /// Ids up to this one may be handed out.
    MaxGlobalId(u64),
    /// The keys change.
    Keys(KeyServerChange),
}

/// One change of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyServerChange {
    /// No change.
    Nothing {
        /// Without meaning.
        name: EntityName,
        /// Without meaning.
        auth: EntityAuth,
    },
    /// An entity is new or changes.
    Add {
        /// Which.
        name: EntityName,
        /// All of it, as it is from then on.
        auth: EntityAuth,
    },
    /// An entity goes.
    Remove {
        /// Which.
        name: EntityName,
        /// Without meaning; an empty one is written.
        auth: EntityAuth,
    },
    /// All rotating keys are replaced.
    SetRotating(Rotating),
}

/// The rotating keys of all services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct Rotating {
    /// The new [`KeyServerData::rotating_version`].
    pub version: u64,
    /// By service.
    pub secrets: BTreeMap<EntityType, RotatingSecrets>,
}

const AUTH_CEPHX: u32 = 2;
const TYPE_GLOBAL_ID: u32 = 0;
const TYPE_KEYS: u32 = 1;
const OP_NOTHING: u32 = 0;
const OP_ADD: u32 = 1;
const OP_REMOVE: u32 = 2;
const OP_SET_ROTATING: u32 = 3;

impl Encode for KeyServerChange {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(1);
        let (op, name, auth) = match self {
            Self::SetRotating(rotating) => {
                OP_SET_ROTATING.encode(out);
                return prefixed(out, |out| rotating.encode(out));
            }
            Self::Nothing { name, auth } => (OP_NOTHING, name, auth),
            Self::Add { name, auth } => (OP_ADD, name, auth),
            Self::Remove { name, auth } => (OP_REMOVE, name, auth),
        };
        op.encode(out);
        name.encode(out);
        auth.encode(out);
    }
}

impl Decode for KeyServerChange {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.version_byte("KeyServerData::Incremental", 1)?;
        let op = u32::decode(input)?;
        if op == OP_SET_ROTATING {
            return Ok(Self::SetRotating(input.contained()?));
        }
        let (name, auth) = Decode::decode(input)?;
        Ok(match op {
            OP_NOTHING => Self::Nothing { name, auth },
            OP_ADD => Self::Add { name, auth },
            OP_REMOVE => Self::Remove { name, auth },
            _ => return Err(DecodeError::Invalid { what: "key server change", value: op.into() }),
        })
    }
}

impl Encode for AuthChange {
    fn encode(&self, out: &mut Vec<u8>) {
        envelope(out, 2, 2, |out| match self {
            Self::MaxGlobalId(id) => {
                TYPE_GLOBAL_ID.encode(out);
                id.encode(out);
            }
            Self::Keys(change) => {
                TYPE_KEYS.encode(out);
                AUTH_CEPHX.encode(out);
                prefixed(out, |out| change.encode(out));
            }
        });
    }
}

impl Decode for AuthChange {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("auth incremental", 2, |_, input| match u32::decode(input)? {
            TYPE_GLOBAL_ID => Ok(Self::MaxGlobalId(Decode::decode(input)?)),
            TYPE_KEYS => match u32::decode(input)? {
                AUTH_CEPHX => Ok(Self::Keys(input.contained()?)),
                other => Err(DecodeError::Invalid { what: "auth method", value: other.into() }),
            },
            other => Err(DecodeError::Invalid { what: "auth incremental type", value: other.into() }),
        })
    }
    const SIZE_MIN: usize = 18;
}

impl Encode for AuthIncremental {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(1);
        self.0.iter().for_each(|change| change.encode(out));
    }
}

impl Decode for AuthIncremental {
    /// The changes fill the value; there is no count.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.version_byte("auth value", 1)?;
        let mut changes = Vec::new();
        while input.remaining() > 0 {
            changes.push(AuthChange::decode(input)?);
        }
        Ok(Self(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto_key::CryptoKey;
    use crate::release::Release;
    use crate::time::UTime;

    #[test]
    fn changes_apply_in_order() {
        let key = CryptoKey::aes(UTime::default(), [2; 16]);
        let (name, auth) = (EntityName::mon(), EntityAuth::new(key, Release::Reef));
        let mut data = KeyServerData::default();
        data.apply(&KeyServerChange::Add { name: name.clone(), auth });
        assert_eq!(data.secrets.len(), 1);
        data.apply(&KeyServerChange::Remove { name, auth: EntityAuth::default() });
        assert!(data.secrets.is_empty());
        let secrets = BTreeMap::from([(EntityType::Auth, RotatingSecrets::default())]);
        data.apply(&KeyServerChange::SetRotating(Rotating { version: 7, secrets }));
        assert_eq!((data.rotating_version, data.rotating.len()), (7, 1));
    }
}
