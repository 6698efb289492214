//! `CryptoKey`: a cephx key as (type, creation time, bytes).
//!
//! ```text
//! CryptoKey: le16 type | utime created | le16 n | secret[n]
//! ```
//!
//! In text (keyrings, `auth` commands) a key is the base64 of exactly these bytes. The secret is wiped
//! when the key is dropped, is compared in constant time and never appears in `Debug`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::time::UTime;

/// The cipher that a key is for, Ceph's `CEPH_CRYPTO_*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum CryptoKind {
    /// No key; what an empty field holds.
    #[default]
    None = 0,
    /// AES-128-CBC with a fixed IV, in every release.
    Aes = 1,
    /// AES-256-CTS with HMAC-SHA384 (RFC 8009), from 20.2.4 on.
    Aes256k = 2,
}

/// A key with its secret.
#[derive(Clone, Default)]
pub struct CryptoKey {
    kind: CryptoKind,
    created: UTime,
    secret: Zeroizing<Vec<u8>>,
}

/// Why something is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The text is not base64.
    #[error("key is not base64 text")]
    NotBase64,
    /// The bytes behind the text are not a key.
    #[error("key does not decode: {0}")]
    Malformed(#[from] DecodeError),
    /// The secret's length is not what the type asks for.
    #[error("a secret of {length} bytes does not make an {kind} key")]
    Length {
        /// The type.
        kind: CryptoKind,
        /// What was given, in bytes.
        length: usize,
    },
}

impl CryptoKind {
    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::Aes,
            2 => Self::Aes256k,
            _ => return None,
        })
    }

    /// The word in `key_type` arguments and in the monmap's cipher settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Aes => "aes",
            Self::Aes256k => "aes256k",
        }
    }

    /// Length of a secret in bytes.
    #[must_use]
    pub fn secret_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Aes => 16,
            Self::Aes256k => 32,
        }
    }
}

impl fmt::Display for CryptoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no cipher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a cipher: use aes or aes256k")]
pub struct BadCryptoKind(pub String);

impl FromStr for CryptoKind {
    type Err = BadCryptoKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "aes" => Ok(Self::Aes),
            "aes256k" => Ok(Self::Aes256k),
            other => Err(BadCryptoKind(other.into())),
        }
    }
}

impl CryptoKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// [`BadKey::Length`] when the secret does not have the kind's length.
    pub fn new(kind: CryptoKind, created: UTime, secret: Vec<u8>) -> Result<Self, BadKey> {
        let secret = Zeroizing::new(secret);
        match secret.len() {
            length if length == kind.secret_len() => Ok(Self { kind, created, secret }),
            length => Err(BadKey::Length { kind, length }),
        }
    }

    /// An AES-128 key.
    #[must_use]
    pub fn aes(created: UTime, secret: [u8; 16]) -> Self {
        Self { kind: CryptoKind::Aes, created, secret: Zeroizing::new(secret.to_vec()) }
    }

    /// An aes256k key.
    #[must_use]
    pub fn aes256k(created: UTime, secret: [u8; 32]) -> Self {
        Self { kind: CryptoKind::Aes256k, created, secret: Zeroizing::new(secret.to_vec()) }
    }

    /// The cipher.
    #[must_use]
    pub fn kind(&self) -> CryptoKind {
        self.kind
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> UTime {
        self.created
    }

    /// The secret bytes, as many as [`CryptoKind::secret_len`] says.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether this is the absent key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secret.is_empty()
    }

    /// The key in text, as keyrings hold it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(12 + self.secret.len()));
        self.encode(&mut bytes);
        Zeroizing::new(STANDARD.encode(bytes.as_slice()))
    }
}

impl FromStr for CryptoKey {
    type Err = BadKey;

    /// Reads the base64 form; whitespace around it is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| BadKey::NotBase64)?);
        Ok(Self::from_bytes(&bytes)?)
    }
}

impl PartialEq for CryptoKey {
    /// Constant time in the secret.
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.created == other.created && self.secret.ct_eq(&other.secret).into()
    }
}

impl Eq for CryptoKey {}

impl fmt::Debug for CryptoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptoKey({})", self.kind)
    }
}

impl Encode for CryptoKind {
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u16).encode(out);
    }
}

impl Decode for CryptoKind {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = u16::decode(input)?;
        Self::from_number(number)
            .ok_or_else(|| DecodeError::Invalid { what: "key type", value: number.into() })
    }
    const SIZE_MIN: usize = 2;
}

impl Encode for CryptoKey {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kind.encode(out);
        self.created.encode(out);
        // The constructors and the decoder admit only 0, 16 and 32.
        (self.secret.len() as u16).encode(out);
        out.extend_from_slice(&self.secret);
    }
}

impl Decode for CryptoKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = CryptoKind::decode(input)?;
        let created = UTime::decode(input)?;
        let length = u16::decode(input)?;
        if usize::from(length) != kind.secret_len() {
            return Err(DecodeError::Invalid { what: "key length", value: length.into() });
        }
        let secret = Zeroizing::new(input.take(length.into())?.to_vec());
        Ok(Self { kind, created, secret })
    }
    const SIZE_MIN: usize = 12;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 1, creation time 0, length 16, secret 00 01 .. 0f.
    const AES_TEXT: &str = "AQAAAAAAAAAAABAAAAECAwQFBgcICQoLDA0ODw==";

    #[test]
    fn text_is_the_base64_of_the_bytes() {
        let secret = std::array::from_fn(|i| i as u8);
        let key = CryptoKey::aes(UTime::default(), secret);
        assert_eq!(key.to_base64().as_str(), AES_TEXT);
        assert_eq!(AES_TEXT.parse(), Ok(key));
    }

    #[test]
    fn type_2_keys_start_with_ag_and_take_sixty_characters() {
        let text = CryptoKey::aes256k(UTime { sec: 0x6b03_5593, nsec: 1 }, [7; 32]).to_base64();
        assert!(text.starts_with("Ag") && text.len() == 60, "{} characters", text.len());
    }

    #[test]
    fn debug_keeps_the_secret() {
        let key = CryptoKey::aes(UTime::default(), [0xab; 16]);
        assert_eq!(format!("{key:?}"), "CryptoKey(aes)");
    }

    #[test]
    fn wrong_lengths_and_types_are_refused() {
        assert!(matches!(
            CryptoKey::new(CryptoKind::Aes, UTime::default(), vec![0; 15]),
            Err(BadKey::Length { length: 15, .. })
        ));
        assert!(matches!("AwAAAAAAAAAAAAAA".parse::<CryptoKey>(), Err(BadKey::Malformed(_))));
        assert_eq!("not base64!".parse::<CryptoKey>(), Err(BadKey::NotBase64));
    }
}
