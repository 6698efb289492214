//! The cipher policy that maps of 20.2.4 and newer carry.
//!
//! ```text
//! u32 auth_epoch | u32 service | vec<u32> allowed | u32 preferred     0 none, 1 aes, 2 aes256k
//! ```

use crate::crypto_key::CryptoKind;
use crate::encode::{Decode, DecodeError, Encode, Reader};

/// Which key types the cluster uses.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CipherPolicy {
    /// The version of the auth service at which the service keys were last wiped.
    pub auth_epoch: u32,
    /// The type of new rotating service keys.
    pub service: Cipher,
    /// The types that an entity may log in with.
    pub allowed: Vec<Cipher>,
    /// The type of new entity keys.
    pub preferred: Cipher,
}

/// A key type as the cipher policy stores it (u32 there, u16 in keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cipher(pub CryptoKind);

impl CipherPolicy {
    /// Both key types allowed, new keys such that every stock client can read them.
    #[must_use]
    pub fn compatible() -> Self {
        let (aes, aes256k) = (Cipher(CryptoKind::Aes), Cipher(CryptoKind::Aes256k));
        Self { auth_epoch: 0, service: aes256k, allowed: vec![aes, aes256k], preferred: aes }
    }

    /// Only aes256k, as a new 20.2.4 cluster has it.
    #[must_use]
    pub fn strict() -> Self {
        let aes256k = Cipher(CryptoKind::Aes256k);
        Self { auth_epoch: 0, service: aes256k, allowed: vec![aes256k], preferred: aes256k }
    }

    /// What a cluster that was upgraded from an older release starts with.
    #[must_use]
    pub fn upgraded() -> Self {
        let (aes, aes256k) = (Cipher(CryptoKind::Aes), Cipher(CryptoKind::Aes256k));
        Self { auth_epoch: 0, service: aes, allowed: vec![aes, aes256k], preferred: aes }
    }

    /// Whether an entity with a key of this type may log in.
    #[must_use]
    pub fn allows(&self, kind: CryptoKind) -> bool {
        self.allowed.contains(&Cipher(kind))
    }
}

impl Encode for Cipher {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.0 as u32).encode(out);
    }
}

impl Decode for Cipher {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = u32::decode(input)?;
        let kind = u16::try_from(number).ok().and_then(CryptoKind::from_number);
        kind.map(Self).ok_or_else(|| DecodeError::Invalid { what: "cipher", value: number.into() })
    }
    const SIZE_MIN: usize = 4;
}
