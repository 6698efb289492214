//! `MPing`: `ceph ping mon.X`, the only question that is answered before authentication.

use crate::encode::{Decode, DecodeError, Encode, Reader};

/// A ping, or its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MPing {
    /// In the answer: health and state as JSON.
    pub report: Option<String>,
}

impl Encode for MPing {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(report) = &self.report {
            report.encode(out);
        }
    }
}

impl Decode for MPing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let report = (input.remaining() > 0).then(|| String::decode(input)).transpose()?;
        Ok(Self { report })
    }
    const SIZE_MIN: usize = 0;
}
