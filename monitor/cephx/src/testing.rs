//! Keys and bytes that tests share.

use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::time::UTime;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(20)
}

pub(crate) fn at(sec: u32) -> UTime {
    UTime { sec, nsec: 0 }
}

pub(crate) fn key(kind: CryptoKind, fill: u8) -> CryptoKey {
    CryptoKey::new(kind, at(1), vec![fill; kind.secret_len()]).unwrap()
}

/// For each type a key and another one.
pub(crate) fn keys_of_both_types() -> [(CryptoKey, CryptoKey); 2] {
    [CryptoKind::Aes, CryptoKind::Aes256k].map(|kind| (key(kind, 0x41), key(kind, 0x42)))
}
