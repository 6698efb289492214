//! Messages, as the messenger hands them over.

use bytes::Bytes;
use mon_types::message::{Envelope, RawMessage};

/// Type, version, compat and length of the data segment as le16, then front and data.
pub(crate) fn message(input: &[u8]) {
    let Some((header, rest)) = input.split_first_chunk::<8>() else { return };
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let front_len = rest.len() - rest.len().min(usize::from(number(6)));
    let (front, data) = rest.split_at(front_len);
    let raw = RawMessage {
        tid: 7,
        kind: number(0),
        priority: 127,
        version: number(2),
        compat: number(4),
        front: Bytes::copy_from_slice(front),
        middle: Bytes::new(),
        data: Bytes::copy_from_slice(data),
    };
    let Ok(envelope) = Envelope::decode(&raw) else { return };
    let again = envelope.to_raw();
    let decoded = Envelope::decode(&again).expect("what we encode must decode");
    assert_eq!(decoded.to_raw(), again, "encoding is not stable: {envelope:?}");
}
