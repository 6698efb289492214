//! What the auth service keeps: entities with their keys and caps, and the services' rotating secrets.
//!
//! ```text
//! EntityAuth:      u8 2|3 | u64 auid | CryptoKey | map<string, bl caps> | v3: CryptoKey pending_key
//! RotatingSecrets: u8 1 | map<u64 id, { u8 1 | CryptoKey | utime expires }> | u64 max_ver
//! ```
//! A cap is a bufferlist that holds an encoded string, so its text carries two lengths.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::crypto_key::CryptoKey;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::entity::EntityType;
use crate::release::Release;
use crate::time::UTime;

/// An entity's key and caps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityAuth {
    /// The key.
    pub key: CryptoKey,
    /// What it may do, by service (`mon`, `osd`, ...), each an encoded string.
    pub caps: BTreeMap<String, Bytes>,
    /// A second key that is accepted as well until it replaces the first (releases 17 and later; an empty
    /// key when there is none). Absent in the form of release 16.
    pub pending_key: Option<CryptoKey>,
}

/// The secrets of one service, by id; the oldest of three is going, the newest not in use yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct RotatingSecrets {
    /// The secrets.
    pub secrets: BTreeMap<u64, ExpiringKey>,
    /// The highest id ever used.
    pub id_max: u64,
}

/// A secret that is valid for a while.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct ExpiringKey {
    /// The secret.
    pub key: CryptoKey,
    /// When it ends, by wall clock.
    pub expires: UTime,
}

/// How many secrets a service has at a time: previous, current, next.
pub const ROTATING_COUNT: usize = 3;

impl EntityAuth {
    /// A key without caps, in the form that a release writes.
    #[must_use]
    pub fn new(key: CryptoKey, release: Release) -> Self {
        let mut auth = Self { key, ..Self::default() };
        auth.shape_for(release);
        auth
    }

    /// Takes the form that a release writes. A pending key is lost when that release has none.
    pub fn shape_for(&mut self, release: Release) {
        match release {
            Release::Pacific => self.pending_key = None,
            Release::Quincy | Release::Reef | Release::Squid | Release::Tentacle => {
                self.pending_key.get_or_insert_default();
            }
        }
    }

    /// All caps in text, by service.
    pub fn caps_text(&self) -> impl Iterator<Item = (&str, String)> {
        self.caps.iter().filter_map(|(service, cap)| Some((service.as_str(), String::from_bytes(cap).ok()?)))
    }

    /// The caps text for a service; none when there is none, or when it is not text.
    #[must_use]
    pub fn caps_for(&self, service: EntityType) -> Option<String> {
        String::from_bytes(self.caps.get(service.as_str())?).ok()
    }

    /// Sets the caps for a service from text.
    pub fn set_caps(&mut self, service: &str, text: &str) {
        self.caps.insert(service.into(), text.to_bytes());
    }

    /// The pending key, when there is a usable one.
    #[must_use]
    pub fn pending(&self) -> Option<&CryptoKey> {
        self.pending_key.as_ref().filter(|key| !key.is_empty())
    }
}

impl RotatingSecrets {
    /// The secret that new tickets are sealed with, and its id: the one before the newest, unless that has
    /// ended by the wall clock and a newer one exists.
    #[must_use]
    pub fn current(&self, wall: UTime) -> Option<(u64, &ExpiringKey)> {
        let skip = usize::from(self.secrets.len() > 1);
        let mut usable = self.secrets.iter().skip(skip);
        let (mut id, mut secret) = usable.next()?;
        if secret.expires < wall
            && let Some(next) = usable.next()
        {
            (id, secret) = next;
        }
        Some((*id, secret))
    }

    /// The secret with an id.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<&ExpiringKey> {
        self.secrets.get(&id)
    }
}

impl Encode for EntityAuth {
    fn encode(&self, out: &mut Vec<u8>) {
        let version: u8 = if self.pending_key.is_some() { 3 } else { 2 };
        version.encode(out);
        AUID.encode(out);
        self.key.encode(out);
        self.caps.encode(out);
        if let Some(pending) = &self.pending_key {
            pending.encode(out);
        }
    }
}

impl Decode for EntityAuth {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = input.version_byte("EntityAuth", 3)?;
        if version >= 2 {
            u64::decode(input)?;
        }
        let key = CryptoKey::decode(input)?;
        let caps = BTreeMap::decode(input)?;
        let pending_key = (version >= 3).then(|| CryptoKey::decode(input)).transpose()?;
        Ok(Self { key, caps, pending_key })
    }
    const SIZE_MIN: usize = 17;
}

/// The user id of an abandoned feature; every release writes the same.
const AUID: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(expirations: [u32; 3]) -> RotatingSecrets {
        let key = CryptoKey::aes(UTime::default(), [1; 16]);
        let secrets = (4..)
            .zip(expirations)
            .map(|(id, sec)| (id, ExpiringKey { key: key.clone(), expires: UTime { sec, nsec: 0 } }))
            .collect();
        RotatingSecrets { secrets, id_max: 6 }
    }

    #[test]
    fn the_middle_secret_is_current_until_it_ends() {
        let secrets = secrets([100, 200, 300]);
        let current_at = |sec| secrets.current(UTime { sec, nsec: 0 }).map(|(id, _)| id);
        assert_eq!(current_at(50), Some(5));
        assert_eq!(current_at(200), Some(5));
        assert_eq!(current_at(201), Some(6));
        assert_eq!(current_at(900), Some(6));
        assert_eq!(RotatingSecrets::default().current(UTime::default()), None);
    }

    #[test]
    fn the_form_follows_the_release() {
        let key = CryptoKey::aes(UTime::default(), [1; 16]);
        let mut auth = EntityAuth::new(key, Release::Pacific);
        assert_eq!(auth.to_bytes()[0], 2);
        auth.shape_for(Release::Reef);
        assert_eq!((auth.to_bytes()[0], auth.pending()), (3, None));
    }

    #[test]
    fn both_forms_of_an_entity_round_trip_and_are_checked_at_every_byte() {
        for pending_key in [None, Some(CryptoKey::default())] {
            let mut entity = EntityAuth {
                key: CryptoKey::aes(UTime::default(), [9; 16]),
                pending_key,
                ..Default::default()
            };
            entity.set_caps("mon", "allow r");
            assert_eq!(entity.caps_for(EntityType::Mon).as_deref(), Some("allow r"));
            assert_eq!(entity.caps_for(EntityType::Osd), None);
            let bytes = entity.to_bytes();
            assert_eq!(EntityAuth::from_bytes(&bytes), Ok(entity));
            for cut in 0..bytes.len() {
                assert!(EntityAuth::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }
}
