//! Key type 2, "aes256k": aes256-cts-hmac-sha384-192 of RFC 8009, with the key derivation of RFC 3961.
//!
//! ```text
//! KDF(key, label, k) = first k bits of HMAC-SHA384(key, 00000001 | label | 00 | be32 k)
//! Ke = KDF(key, be32 usage | AA, 256)     Ki = KDF(key, be32 usage | 55, 192)
//! C  = AES-256-CBC-CS3(Ke, IV 0, confounder[16] | plaintext)
//! sealed = C | first 24 bytes of HMAC-SHA384(Ki, zero[16] | C)
//! ```

use aes::Aes256;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use sha2::Sha384;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::seal::SealError;

/// Bytes of a key of this type.
pub(crate) const KEY_BYTES: usize = 32;

const BLOCK: usize = 16;
const TAG: usize = 24;
/// What makes the derived key one for encryption, or one for integrity.
const FOR_ENCRYPTION: u8 = 0xaa;
const FOR_INTEGRITY: u8 = 0x55;

/// Encrypts for a key usage; the output is 40 bytes longer than the input.
pub(crate) fn encrypt(key: &[u8; KEY_BYTES], usage: u32, plain: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut confounder = [0; BLOCK];
    rng.fill_bytes(&mut confounder);
    encrypt_with(key, usage, plain, confounder)
}

/// Checks and decrypts.
pub(crate) fn decrypt(
    key: &[u8; KEY_BYTES],
    usage: u32,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let Some(cipher_len) = sealed.len().checked_sub(TAG).filter(|length| *length >= BLOCK) else {
        return Err(SealError::Damaged);
    };
    let (cipher, tag) = sealed.split_at(cipher_len);
    if !bool::from(integrity_tag(key, usage, cipher).as_slice().ct_eq(tag)) {
        return Err(SealError::Damaged);
    }
    let mut plain = cts_decrypt(&encryption_key(key, usage), cipher);
    plain.drain(..BLOCK);
    Ok(plain)
}

fn encrypt_with(key: &[u8; KEY_BYTES], usage: u32, plain: &[u8], confounder: [u8; BLOCK]) -> Vec<u8> {
    let mut input = Zeroizing::new(Vec::with_capacity(BLOCK + plain.len()));
    input.extend_from_slice(&confounder);
    input.extend_from_slice(plain);
    let mut sealed = cts_encrypt(&encryption_key(key, usage), &input);
    let tag = integrity_tag(key, usage, &sealed);
    sealed.extend_from_slice(&tag);
    sealed
}

fn encryption_key(key: &[u8; KEY_BYTES], usage: u32) -> Zeroizing<[u8; 32]> {
    derive(key, usage, FOR_ENCRYPTION)
}

fn derive<const N: usize>(key: &[u8; KEY_BYTES], usage: u32, purpose: u8) -> Zeroizing<[u8; N]> {
    let mut mac = hmac_sha384(key);
    mac.update(&1u32.to_be_bytes());
    mac.update(&usage.to_be_bytes());
    mac.update(&[purpose, 0]);
    mac.update(&(8 * N as u32).to_be_bytes());
    let mut derived = Zeroizing::new([0; N]);
    let output = Zeroizing::new(<[u8; 48]>::from(mac.finalize().into_bytes()));
    derived.copy_from_slice(&output[..N]);
    derived
}

fn integrity_tag(key: &[u8; KEY_BYTES], usage: u32, cipher: &[u8]) -> [u8; TAG] {
    let integrity_key: Zeroizing<[u8; 24]> = derive(key, usage, FOR_INTEGRITY);
    let mut mac = hmac_sha384(integrity_key.as_slice());
    mac.update(&[0; BLOCK]);
    mac.update(cipher);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG]);
    tag
}

fn hmac_sha384(key: &[u8]) -> Hmac<Sha384> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    <Hmac<Sha384> as KeyInit>::new_from_slice(key).expect("any length")
}

/// CBC with ciphertext stealing, variant CS3: the last two blocks always change places, and the one that
/// comes last is cut to the length of the input. One block alone is plain CBC.
fn cts_encrypt(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let mut padded = Zeroizing::new(plain.to_vec());
    padded.resize(plain.len().next_multiple_of(BLOCK), 0);
    let mut out = cbc::Encryptor::<Aes256>::new(key.into(), &[0; BLOCK].into())
        .encrypt_padded_vec::<NoPadding>(&padded);
    if out.len() > BLOCK {
        let (_, last_two) = out.split_at_mut(padded.len() - 2 * BLOCK);
        last_two.rotate_left(BLOCK);
        out.truncate(plain.len());
    }
    out
}

/// The inverse; `cipher` has at least one block.
fn cts_decrypt(key: &[u8; 32], cipher: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut blocks = cipher.to_vec();
    if cipher.len() > BLOCK {
        // The block that comes last but one was the last; decrypted alone it gives what was stolen.
        let stolen_from = cipher.len().next_multiple_of(BLOCK) - 2 * BLOCK;
        let partial = cipher.len() - stolen_from - BLOCK;
        let mut last: [u8; BLOCK] = [0; BLOCK];
        last.copy_from_slice(&cipher[stolen_from..stolen_from + BLOCK]);
        let mut decrypted = last.into();
        <Aes256 as KeyInit>::new(key.into()).decrypt_block(&mut decrypted);
        blocks.extend_from_slice(&decrypted[partial..]);
        blocks[stolen_from..].rotate_left(BLOCK);
    }
    let mut plain = Zeroizing::new(blocks);
    let count = plain.len();
    let mode = cbc::Decryptor::<Aes256>::new(key.into(), &[0; BLOCK].into());
    #[expect(clippy::expect_used, reason = "the length was made a multiple of the block size above")]
    mode.decrypt_padded::<NoPadding>(&mut plain[..count]).expect("whole blocks");
    plain.truncate(cipher.len());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hex, unhex};

    const BASE_KEY: &str = "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52";

    fn base_key() -> [u8; 32] {
        unhex(BASE_KEY).try_into().unwrap()
    }

    #[test]
    fn key_derivation_matches_rfc_8009_appendix_a() {
        assert_eq!(
            hex(encryption_key(&base_key(), 2).as_slice()),
            "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49"
        );
        let integrity: Zeroizing<[u8; 24]> = derive(&base_key(), 2, FOR_INTEGRITY);
        assert_eq!(hex(integrity.as_slice()), "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f");
    }

    /// (plaintext, confounder, ciphertext with tag), key usage 2.
    const RFC_8009_APPENDIX_A: [(&str, &str, &str); 4] = [
        (
            "",
            "f764e9fa15c276478b2c7d0c4e5f58e4",
            "41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c",
        ),
        (
            "000102030405",
            "b80d3251c1f6471494256ffe712d0b9a",
            "4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "53bf8a0d105265d4e276428624ce5e63",
            "bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f68cf51f14d798c2273f35df574d1f932e40c4ff255b36a266",
        ),
        (
            "000102030405060708090a0b0c0d0e0f1011121314",
            "763e65367e864f02f55153c7e3b58af1",
            "40013e2df58e8751957d2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62",
        ),
    ];

    #[test]
    fn ciphertexts_match_rfc_8009_appendix_a() {
        for (plain, confounder, sealed) in RFC_8009_APPENDIX_A {
            let plain = unhex(plain);
            let got = encrypt_with(&base_key(), 2, &plain, unhex(confounder).try_into().unwrap());
            assert_eq!(hex(&got), sealed);
            assert_eq!(decrypt(&base_key(), 2, &got).unwrap().as_slice(), plain);
        }
    }

    #[test]
    fn every_flipped_byte_another_usage_and_every_cut_are_noticed() {
        let sealed = encrypt_with(&base_key(), 5, b"a ticket", [9; 16]);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(decrypt(&base_key(), 5, &changed), Err(SealError::Damaged), "byte {at}");
            assert_eq!(decrypt(&base_key(), 5, &sealed[..at]), Err(SealError::Damaged), "cut at {at}");
        }
        assert_eq!(decrypt(&base_key(), 4, &sealed), Err(SealError::Damaged));
    }

    #[test]
    fn round_trip_at_every_length_around_three_blocks() {
        for length in 0..70 {
            let plain = vec![7; length];
            let sealed = encrypt_with(&base_key(), 1, &plain, [length as u8; 16]);
            assert_eq!(sealed.len(), length + 40);
            assert_eq!(decrypt(&base_key(), 1, &sealed).unwrap().as_slice(), plain);
        }
    }
}
