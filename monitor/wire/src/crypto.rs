//! Secrets of a connection: the frame ciphers of secure mode and the signature that ends authentication.
//!
//! ```text
//! connection secret:  key 16 B | nonce A 12 B | nonce B 12 B | unused
//!                     the connecting side receives with A and sends with B, the accepting side the reverse
//! nonce:              fixed 4 B | le64 counter, one up after every block
//! ```
//! A nonce must never come twice under one key: before the counter is back where it began, the cipher
//! refuses and the connection has to be made anew.

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of an authentication tag after each encrypted block.
pub(crate) const TAG_LEN: usize = 16;

/// Bytes of a connection secret that are used.
const SECRET_LEN: usize = 40;

/// Key material: wiped when dropped, never printed.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is none, as under `AUTH_NONE`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a block could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The secret that authentication gave is too short.
    #[error("connection secret has {0} bytes, secure mode needs 40")]
    SecretTooShort(usize),
    /// Every nonce was used once.
    #[error("all nonces of this connection are used: reconnect")]
    NoncesUsedUp,
    /// Tampered with, or the two sides do not share the key.
    #[error("encrypted block does not authenticate")]
    NotAuthentic,
}

/// One direction of a secure connection.
pub(crate) struct Cipher {
    aead: Aes128Gcm,
    fixed: [u8; 4],
    counter: u64,
    counter_first: u64,
    used_up: bool,
}

/// Both directions, from one side's view.
pub(crate) struct CipherPair {
    pub(crate) rx: Cipher,
    pub(crate) tx: Cipher,
}

impl CipherPair {
    pub(crate) fn new(secret: &Secret, connector: bool) -> Result<Self, CipherError> {
        let bytes = secret.expose();
        let Some((key, nonces)) = bytes.get(..SECRET_LEN).and_then(|s| s.split_at_checked(16)) else {
            return Err(CipherError::SecretTooShort(bytes.len()));
        };
        let (a, b) = nonces.split_at(12);
        let (rx, tx) = if connector { (a, b) } else { (b, a) };
        Ok(Self { rx: Cipher::new(key, rx)?, tx: Cipher::new(key, tx)? })
    }
}

impl Cipher {
    fn new(key: &[u8], nonce: &[u8]) -> Result<Self, CipherError> {
        let short = |_| CipherError::SecretTooShort(key.len() + nonce.len());
        let aead = Aes128Gcm::new_from_slice(key).map_err(|_| CipherError::SecretTooShort(key.len()))?;
        let (fixed, counter) = nonce.split_at(4);
        let counter = u64::from_le_bytes(counter.try_into().map_err(short)?);
        Ok(Self {
            aead,
            fixed: fixed.try_into().map_err(short)?,
            counter,
            counter_first: counter,
            used_up: false,
        })
    }

    fn next_nonce(&mut self) -> Result<Nonce<aes_gcm::aead::consts::U12>, CipherError> {
        if self.used_up {
            return Err(CipherError::NoncesUsedUp);
        }
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        self.used_up = self.counter == self.counter_first;
        Ok(nonce.into())
    }

    /// Encrypts `block` in place and returns the tag that follows it on the wire.
    pub(crate) fn seal(&mut self, block: &mut [u8]) -> Result<[u8; TAG_LEN], CipherError> {
        let nonce = self.next_nonce()?;
        // Fails only for inputs beyond 64 GiB.
        let tag = self
            .aead
            .encrypt_inout_detached(&nonce, b"", block.into())
            .map_err(|_| CipherError::NotAuthentic)?;
        Ok(tag.into())
    }

    /// Decrypts `block`, which ends with its tag, in place; returns how long the plaintext is.
    pub(crate) fn open(&mut self, block: &mut [u8]) -> Result<usize, CipherError> {
        let nonce = self.next_nonce()?;
        let length = block.len().checked_sub(TAG_LEN).ok_or(CipherError::NotAuthentic)?;
        let (text, tag) = block.split_at_mut(length);
        let tag = Tag::try_from(&*tag).map_err(|_| CipherError::NotAuthentic)?;
        self.aead
            .decrypt_inout_detached(&nonce, b"", text.into(), &tag)
            .map_err(|_| CipherError::NotAuthentic)?;
        Ok(length)
    }
}

/// Every byte of a handshake, each way, until its signature is made.
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) received: Vec<u8>,
    pub(crate) sent: Vec<u8>,
}

/// The body of `AUTH_SIGNATURE`: HMAC-SHA256 over one direction's bytes, zeros without a session key.
pub(crate) fn signature(session_key: &Secret, bytes: &[u8]) -> [u8; 32] {
    if session_key.is_empty() {
        return [0; 32];
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(session_key.expose()) else {
        return [0; 32]; // never: HMAC takes keys of any length
    };
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// Compares without telling by its duration where a difference is.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (CipherPair, CipherPair) {
        let secret = Secret::new((0..64).collect());
        (CipherPair::new(&secret, true).unwrap(), CipherPair::new(&secret, false).unwrap())
    }

    #[test]
    fn what_one_side_seals_the_other_opens_in_order() {
        let (mut connector, mut acceptor) = pair();
        for text in [b"first block".to_vec(), b"second".to_vec()] {
            let mut block = text.clone();
            let tag = connector.tx.seal(&mut block).unwrap();
            block.extend_from_slice(&tag);
            let length = acceptor.rx.open(&mut block).unwrap();
            assert_eq!(block[..length], text);
        }
    }

    #[test]
    fn a_replayed_block_is_refused() {
        let (mut connector, mut acceptor) = pair();
        let mut block = b"once".to_vec();
        let tag = connector.tx.seal(&mut block).unwrap();
        block.extend_from_slice(&tag);
        let mut again = block.clone();
        acceptor.rx.open(&mut block).unwrap();
        assert_eq!(acceptor.rx.open(&mut again), Err(CipherError::NotAuthentic));
    }

    #[test]
    fn the_cipher_stops_before_a_nonce_repeats() {
        let (mut connector, _) = pair();
        connector.tx.counter = connector.tx.counter_first.wrapping_sub(1);
        connector.tx.seal(&mut [0; 4]).unwrap();
        assert_eq!(connector.tx.seal(&mut [0; 4]), Err(CipherError::NoncesUsedUp));
    }

    #[test]
    fn short_secrets_are_refused_and_secrets_are_not_printed() {
        let short = Secret::new(vec![7; 39]);
        assert_eq!(CipherPair::new(&short, true).err(), Some(CipherError::SecretTooShort(39)));
        assert_eq!(format!("{short:?}"), "Secret(..)");
    }

    #[test]
    fn without_a_key_the_signature_is_zero() {
        assert_eq!(signature(&Secret::default(), b"bytes"), [0; 32]);
        // RFC 4231, test case 2.
        let mac = signature(&Secret::from(&b"Jefe"[..]), b"what do ya want for nothing?");
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
