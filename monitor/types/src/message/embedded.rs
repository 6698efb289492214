//! A message inside a message, in the form that msgr1 gave it.
//!
//! ```text
//! header 53: u64 seq | u64 tid | u16 type | u16 priority | u16 version | u32 front, middle, data length
//!            | u16 data offset | u8 + i64 source | u16 compat | u16 0 | u32 crc32c(first 49 bytes)
//! footer 13: u32 crc32c of front, middle, data | u8 flags (1 = complete)
//! then       bl front | bl middle | bl data
//! ```
//!
//! Ceph seeds these checksums with 0 and does not invert the result. We write them and, as Ceph does,
//! check only the header's: the frame around it has checksums or authentication of its own.

use bytes::Bytes;

use super::{Envelope, RawMessage};
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::entity::EntityInstanceName;

/// A message on behalf of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedMessage {
    /// Its number in the session that it came from.
    pub seq: u64,
    /// Who sent it.
    pub source: EntityInstanceName,
    /// The message.
    pub raw: RawMessage,
}

impl EmbeddedMessage {
    /// Wraps a message.
    #[must_use]
    pub fn new(source: EntityInstanceName, message: &Envelope) -> Self {
        Self { seq: 0, source, raw: message.to_raw() }
    }

    /// What it says.
    ///
    /// # Errors
    /// As [`Envelope::decode`].
    pub fn envelope(&self) -> Result<Envelope, DecodeError> {
        Envelope::decode(&self.raw)
    }
}

const HEADER_LEN: usize = 53;
const FOOTER_LEN: usize = 13;
const FLAG_COMPLETE: u8 = 1;

impl Encode for EmbeddedMessage {
    fn encode(&self, out: &mut Vec<u8>) {
        let RawMessage { tid, kind, priority, version, compat, front, middle, data } = &self.raw;
        let start = out.len();
        self.seq.encode(out);
        tid.encode(out);
        kind.encode(out);
        priority.encode(out);
        version.encode(out);
        for segment in [front, middle, data] {
            // The segments follow as bufferlists, whose encoding bounds the same lengths.
            (segment.len() as u32).encode(out);
        }
        0u16.encode(out);
        self.source.encode(out);
        compat.encode(out);
        0u16.encode(out);
        ceph_crc32c(&out[start..]).encode(out);
        for segment in [front, middle, data] {
            ceph_crc32c(segment).encode(out);
        }
        FLAG_COMPLETE.encode(out);
        for segment in [front, middle, data] {
            segment.encode(out);
        }
    }
}

impl Decode for EmbeddedMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = input.take(HEADER_LEN)?;
        let mut header = Reader::new(bytes);
        let seq = Decode::decode(&mut header)?;
        let tid = Decode::decode(&mut header)?;
        let kind = Decode::decode(&mut header)?;
        let priority = Decode::decode(&mut header)?;
        let version = Decode::decode(&mut header)?;
        // The three lengths are repeated by the bufferlists; the data offset has no meaning here.
        header.take(14)?;
        let source = Decode::decode(&mut header)?;
        let compat = Decode::decode(&mut header)?;
        header.take(2)?;
        if u32::decode(&mut header)? != ceph_crc32c(&bytes[..HEADER_LEN - 4]) {
            return Err(DecodeError::Checksum { what: "embedded message header" });
        }
        input.take(FOOTER_LEN)?;
        let front = Bytes::decode(input)?;
        let middle = Bytes::decode(input)?;
        let data = Bytes::decode(input)?;
        Ok(Self {
            seq,
            source,
            raw: RawMessage { tid, kind, priority, version, compat, front, middle, data },
        })
    }
    const SIZE_MIN: usize = HEADER_LEN + FOOTER_LEN + 12;
}

/// CRC-32C with seed 0 and no final inversion.
fn ceph_crc32c(bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!0, bytes)
}
