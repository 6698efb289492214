//! Key type 1: AES-128-CBC with Ceph's fixed IV and PKCS#7 padding. It authenticates nothing; the magic
//! in the envelope (see `seal`) is all that tells a right key from a wrong one.

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use zeroize::Zeroizing;

use crate::seal::SealError;

/// Bytes of a key of this type.
pub(crate) const KEY_BYTES: usize = 16;

/// The initialisation vector of every message (Ceph documentation, "The Ceph auth protocol").
const IV: [u8; 16] = *b"cephsageyudagreg";

/// Encrypts; the output is a multiple of 16 bytes and longer than the input.
pub(crate) fn encrypt(key: &[u8; KEY_BYTES], plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes128>::new(key.into(), &IV.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// Decrypts and takes the padding off.
pub(crate) fn decrypt(key: &[u8; KEY_BYTES], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    cbc::Decryptor::<Aes128>::new(key.into(), &IV.into())
        .decrypt_padded_vec::<Pkcs7>(sealed)
        .map(Zeroizing::new)
        .map_err(|_| SealError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_every_length_around_a_block() {
        for length in 0..50 {
            let plain = vec![7; length];
            let sealed = encrypt(&[3; 16], &plain);
            assert_eq!(sealed.len(), length / 16 * 16 + 16);
            assert_eq!(decrypt(&[3; 16], &sealed).unwrap().as_slice(), plain);
        }
    }

    #[test]
    fn partial_blocks_and_nothing_at_all_are_refused() {
        assert_eq!(decrypt(&[3; 16], &[]), Err(SealError::Damaged));
        assert_eq!(decrypt(&[3; 16], &[1; 17]), Err(SealError::Damaged));
    }
}
