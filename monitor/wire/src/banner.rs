//! The first bytes of a connection: `"ceph v2\n" | le16 n | n bytes: le64 supported, le64 required, ..`.

use mon_types::encode::{Decode, DecodeError, Encode, Reader};

/// msgr2.1: frames with the epilogue and secure layout that `frame.rs` describes. Bit 2, compression, is
/// not shown, so that nobody negotiates it.
pub(crate) const FEATURE_REVISION_1: u64 = 1;

const MAGIC: &[u8; 8] = b"ceph v2\n";
const HEAD_LEN: usize = MAGIC.len() + 2;

/// A later protocol may append to the payload; this much is waited for, the excess ignored.
const PAYLOAD_LEN_MAX: usize = 256;

/// Why a banner is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BannerError {
    /// Not msgr2 at all (or msgr1).
    #[error("peer does not speak msgr2: check that it uses the v2 port")]
    NotMsgr2,
    /// A payload that is too short or absurdly long.
    #[error("banner payload of {0} bytes")]
    PayloadLength(usize),
    /// The payload is not what it should be.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// The peer wants features that we lack, or lacks msgr2.1.
    #[error("msgr2 features do not match: peer supports {supported:#x} and requires {required:#x}")]
    Features {
        /// What it has.
        supported: u64,
        /// What it wants.
        required: u64,
    },
}

/// Our banner.
pub(crate) fn encode() -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    16u16.encode(&mut out);
    FEATURE_REVISION_1.encode(&mut out);
    0u64.encode(&mut out);
    out
}

/// Looks for a whole banner at the start of `input`: its length, or none when more bytes are needed.
/// Wrong magic is noticed at its first byte, so that a stranger is not kept waiting.
pub(crate) fn decode(input: &[u8]) -> Result<Option<usize>, BannerError> {
    let compared = input.len().min(MAGIC.len());
    if input[..compared] != MAGIC[..compared] {
        return Err(BannerError::NotMsgr2);
    }
    let Some(length) = input.get(MAGIC.len()..HEAD_LEN) else { return Ok(None) };
    let length = usize::from(u16::from_bytes(length)?);
    if !(16..=PAYLOAD_LEN_MAX).contains(&length) {
        return Err(BannerError::PayloadLength(length));
    }
    let Some(payload) = input.get(HEAD_LEN..HEAD_LEN + length) else { return Ok(None) };
    let mut payload = Reader::new(payload);
    let supported = u64::decode(&mut payload)?;
    let required = u64::decode(&mut payload)?;
    if supported & FEATURE_REVISION_1 == 0 || required & !FEATURE_REVISION_1 != 0 {
        return Err(BannerError::Features { supported, required });
    }
    Ok(Some(HEAD_LEN + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(supported: u64, required: u64, tail: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        (16 + tail.len() as u16).encode(&mut out);
        supported.encode(&mut out);
        required.encode(&mut out);
        out.extend_from_slice(tail);
        out
    }

    #[test]
    fn ours_is_the_documented_26_bytes() {
        assert_eq!(encode(), b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn stock_banners_and_longer_ones_are_taken_whole() {
        for good in [banner(1, 0, b""), banner(3, 1, b""), banner(7, 0, b"later")] {
            for cut in 0..good.len() {
                assert_eq!(decode(&good[..cut]), Ok(None));
            }
            assert_eq!(decode(&good), Ok(Some(good.len())));
        }
    }

    #[test]
    fn strangers_are_refused() {
        assert_eq!(decode(b"G"), Err(BannerError::NotMsgr2));
        assert_eq!(decode(b"ceph v027"), Err(BannerError::NotMsgr2));
        assert_eq!(decode(b"ceph v2\n\x02\0"), Err(BannerError::PayloadLength(2)));
        let features = BannerError::Features { supported: 3, required: 2 };
        assert_eq!(decode(&banner(3, 2, b"")), Err(features));
    }
}
