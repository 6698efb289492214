//! Sealed values: what cephx encrypts, with either key type.
//!
//! ```text
//! plaintext = u8 1 | le64 0xff009cad8826aa55 | value        ("encode_encrypt" in CephxProtocol.h)
//! ```
//!
//! AES-128 has one way to seal; aes256k derives other keys for each [`Usage`], so that a blob of one kind
//! cannot be passed off as another.

use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::{Decode, DecodeError, Encode, Reader, prefixed};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{aes128, aes256k};

/// What is sealed: the RFC 8009 key usage number. The numbers were found by decrypting what stock 20.2.4
/// sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Usage {
    /// The connection secret for a client, under its AUTH session key.
    ConnectionSecret = 0x03,
    /// A session key with its validity, under the principal's key or the AUTH session key.
    ServiceTicket = 0x04,
    /// A ticket blob on renewal, under the old AUTH session key.
    TicketBlob = 0x05,
    /// An authorizer's nonce, under a service session key.
    Authorize = 0x10,
    /// The challenge to an authorizer, under a service session key.
    AuthorizeChallenge = 0x11,
    /// The answer to an authorizer, under a service session key.
    AuthorizeReply = 0x12,
    /// Rotating secrets for a daemon, under its own key.
    RotatingSecrets = 0x20,
    /// The inside of a ticket, under the service's rotating secret or, between monitors, the `mon.` key.
    TicketInfo = 0x30,
}

/// Why something cannot be sealed or opened. Who receives it cannot tell a wrong key from damage, and
/// must not tell the peer which it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is of no type that can seal, or its length is not its type's.
    #[error("a key of type {kind} cannot be used; replace it with an aes or aes256k key")]
    UnusableKey {
        /// The type.
        kind: CryptoKind,
    },
    /// Not sealed with this key (for this usage), or changed on the way.
    #[error("sealed data does not open with this key")]
    Damaged,
    /// It opened, but does not hold what it should.
    #[error("sealed data holds something else: {0}")]
    Content(#[from] DecodeError),
}

/// Seals a value; no length prefix.
///
/// # Errors
/// [`SealError::UnusableKey`].
pub fn seal(
    key: &CryptoKey,
    usage: Usage,
    value: &(impl Encode + ?Sized),
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let plain = enveloped(value);
    Ok(match cipher(key)? {
        Cipher::Aes128(key) => aes128::encrypt(key, &plain),
        Cipher::Aes256k(key) => aes256k::encrypt(key, usage as u32, &plain, rng),
    })
}

/// Opens a sealed value without length prefix. What is left after the value is ignored, as stock does.
///
/// # Errors
/// Any of [`SealError`].
pub fn open<T: Decode>(key: &CryptoKey, usage: Usage, sealed: &[u8]) -> Result<T, SealError> {
    let plain = match cipher(key)? {
        Cipher::Aes128(key) => aes128::decrypt(key, sealed)?,
        Cipher::Aes256k(key) => aes256k::decrypt(key, usage as u32, sealed)?,
    };
    let mut input = Reader::new(&plain);
    let envelope = <(u8, u64)>::decode(&mut input).map_err(|_| SealError::Damaged)?;
    if envelope != (ENVELOPE_VERSION, MAGIC) {
        return Err(SealError::Damaged);
    }
    Ok(T::decode(&mut input)?)
}

/// Seals a value and appends it with a length prefix.
pub(crate) fn seal_prefixed(
    out: &mut Vec<u8>,
    key: &CryptoKey,
    usage: Usage,
    value: &(impl Encode + ?Sized),
    rng: &mut dyn CryptoRng,
) -> Result<(), SealError> {
    let sealed = seal(key, usage, value, rng)?;
    prefixed(out, |out| out.extend_from_slice(&sealed));
    Ok(())
}

/// Reads a length-prefixed sealed value and opens it.
pub(crate) fn open_prefixed<T: Decode>(
    key: &CryptoKey,
    usage: Usage,
    input: &mut Reader<'_>,
) -> Result<T, SealError> {
    open(key, usage, input.slice()?)
}

const ENVELOPE_VERSION: u8 = 1;
const MAGIC: u64 = 0xff00_9cad_8826_aa55;

/// A value as it is before encryption.
pub(crate) fn enveloped(value: &(impl Encode + ?Sized)) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(256));
    ENVELOPE_VERSION.encode(&mut plain);
    MAGIC.encode(&mut plain);
    value.encode(&mut plain);
    plain
}

/// A key's secret with the length that its type asks for.
pub(crate) enum Cipher<'a> {
    Aes128(&'a [u8; aes128::KEY_BYTES]),
    Aes256k(&'a [u8; aes256k::KEY_BYTES]),
}

pub(crate) fn cipher(key: &CryptoKey) -> Result<Cipher<'_>, SealError> {
    let unusable = || SealError::UnusableKey { kind: key.kind() };
    match key.kind() {
        CryptoKind::None => Err(unusable()),
        CryptoKind::Aes => key.secret().try_into().map(Cipher::Aes128).map_err(|_| unusable()),
        CryptoKind::Aes256k => key.secret().try_into().map(Cipher::Aes256k).map_err(|_| unusable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{keys_of_both_types, rng};

    #[test]
    fn both_key_types_round_trip_and_refuse_the_wrong_key() {
        for (key, other) in keys_of_both_types() {
            let sealed = seal(&key, Usage::Authorize, &(7u64, 9u64), &mut rng()).unwrap();
            assert_eq!(open(&key, Usage::Authorize, &sealed), Ok((7u64, 9u64)));
            assert_eq!(open::<(u64, u64)>(&other, Usage::Authorize, &sealed), Err(SealError::Damaged));
        }
    }

    #[test]
    fn an_empty_key_seals_nothing() {
        let error = seal(&CryptoKey::default(), Usage::Authorize, &1u8, &mut rng());
        assert_eq!(error, Err(SealError::UnusableKey { kind: CryptoKind::None }));
    }
}
