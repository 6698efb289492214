//! `MMonPing`: how monitors measure their connections.

use bytes::Bytes;

use super::op::wire_enum;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::time::UTime;

wire_enum! {
    /// What a ping says.
    MonPingOp: u8, "mon ping op" {
        /// A question.
        Ping = 1,
        /// The answer.
        PingReply = 2,
    }
}

/// A ping between monitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MMonPing {
    /// What it says.
    pub op: MonPingOp,
    /// When the question was sent; repeated in the answer.
    pub stamp: UTime,
    /// The sender's encoded `ConnectionTracker`.
    pub tracker: Bytes,
}

impl Encode for MMonPing {
    fn encode(&self, out: &mut Vec<u8>) {
        self.op.encode(out);
        self.stamp.encode(out);
        self.tracker.encode(out);
        // Padding up to a wanted size; none.
        0u32.encode(out);
    }
}

impl Decode for MMonPing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ping = Self {
            op: Decode::decode(input)?,
            stamp: Decode::decode(input)?,
            tracker: Decode::decode(input)?,
        };
        input.slice()?;
        Ok(ping)
    }
}
