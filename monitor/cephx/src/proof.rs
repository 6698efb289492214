//! The proof of a key: what a client computes from both challenges, and the server computes as well.

use hmac::{Hmac, KeyInit, Mac};
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::Encode;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::aes128;
use crate::seal::{Cipher, SealError, cipher, enveloped};

/// What both sides have thrown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Challenges {
    /// The server's, never 0.
    pub(crate) server: u64,
    /// The client's.
    pub(crate) client: u64,
}

/// `CephXAuthenticate.key`: the complete little-endian words of a MAC over the challenges, xored.
///
/// For AES-128 these are the words of the sealed challenges with their length prefix; for aes256k, whose
/// seal is different every time, those of HMAC-SHA256 under the bare key.
pub(crate) fn prove(key: &CryptoKey, challenges: Challenges) -> Result<u64, SealError> {
    let blob = (challenges.server, challenges.client);
    let mac = match cipher(key)? {
        Cipher::Aes128(key) => aes128::encrypt(key, &enveloped(&blob)).as_slice().to_bytes(),
        Cipher::Aes256k(key) => hmac_sha256(key, &blob.to_bytes()).to_vec().into(),
    };
    Ok(mac.chunks_exact(8).fold(0, |folded, chunk| {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        folded ^ u64::from_le_bytes(word)
    }))
}

/// Whether a proof is the right one; takes the same time for every wrong one.
pub(crate) fn verify(key: &CryptoKey, challenges: Challenges, proof: u64) -> Result<bool, SealError> {
    Ok(prove(key, challenges)?.ct_eq(&proof).into())
}

/// HMAC-SHA256, as aes256k proofs and msgr2's signatures use it.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::keys_of_both_types;

    #[test]
    fn a_proof_holds_for_its_key_and_challenges_only() {
        for (key, other) in keys_of_both_types() {
            let challenges = Challenges { server: 11, client: 22 };
            let proof = prove(&key, challenges).unwrap();
            assert_eq!(verify(&key, challenges, proof), Ok(true));
            assert_eq!(verify(&key, challenges, proof ^ 1), Ok(false));
            assert_eq!(verify(&key, Challenges { server: 22, client: 11 }, proof), Ok(false));
            assert_eq!(verify(&other, challenges, proof), Ok(false));
        }
    }
}
