//! Values that pass through messages without being looked into.

use bytes::Bytes;

use crate::encode::{Decode, DecodeError, Encode, Reader, prefixed};

/// A value in a versioned envelope, kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versioned {
    /// The writer's version.
    pub version: u8,
    /// Oldest version whose reader understands it.
    pub compat: u8,
    /// The envelope's content.
    pub body: Bytes,
}

/// Everything up to the end of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest(pub Bytes);

impl Encode for Versioned {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.version);
        out.push(self.compat);
        prefixed(out, |out| out.extend_from_slice(&self.body));
    }
}

impl Decode for Versioned {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: Decode::decode(input)?,
            compat: Decode::decode(input)?,
            body: Decode::decode(input)?,
        })
    }
    const SIZE_MIN: usize = 6;
}

impl Encode for Rest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Rest {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Bytes::copy_from_slice(input.take_rest())))
    }
    const SIZE_MIN: usize = 0;
}
