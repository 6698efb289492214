//! Ceph's encoding: little endian, unaligned, length-prefixed, with versioned envelopes.
//!
//! Two traits carry it. Decoding is total: any bytes give a value or a [`DecodeError`]; a count or a
//! length is compared with what is left in the input before anything is allocated for it, and nesting
//! is bounded by [`DEPTH_MAX`].
//!
//! ```text
//! ENCODE_START(v, c):  u8 v | u8 c | u32 len | body (len bytes, newer releases append to it)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
pub use mon_derive::{Decode, Encode};

/// A value that has Ceph's byte form.
pub trait Encode {
    /// Appends the byte form to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The byte form alone.
    fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }
}

/// A value that can be read from Ceph's byte form.
pub trait Decode: Sized {
    /// Reads the value and leaves `input` after it.
    ///
    /// # Errors
    /// Whatever in the bytes is not such a value.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads a value that must fill `bytes` entirely.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`DecodeError::Trailing`] when bytes are left.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = Self::decode(&mut input)?;
        match input.remaining() {
            0 => Ok(value),
            count => Err(DecodeError::Trailing { count }),
        }
    }

    /// The fewest bytes that a value can take; bounds element counts before allocation.
    const SIZE_MIN: usize = 1;
}

/// Why bytes are not the value that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside the value.
    #[error("input ends early: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// How many bytes the next part needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A count or length says more than the input holds.
    #[error("count {count} cannot fit in the {left} bytes left")]
    TooMany {
        /// The count as read.
        count: u64,
        /// Bytes left after it.
        left: usize,
    },
    /// The writer says that readers of our version cannot understand the value.
    #[error("{what}: needs a reader of version {compat}, this one knows {known}")]
    Incompatible {
        /// The type.
        what: &'static str,
        /// What the writer asks for.
        compat: u8,
        /// What we know.
        known: u8,
    },
    /// A field holds something that its type has no meaning for.
    #[error("{what}: invalid value {value}")]
    Invalid {
        /// The type or field.
        what: &'static str,
        /// The raw value.
        value: u64,
    },
    /// Text that is not UTF-8.
    #[error("text is not valid UTF-8")]
    NotUtf8,
    /// Values nested deeper than [`DEPTH_MAX`].
    #[error("values are nested too deeply")]
    TooDeep,
    /// Bytes are left after a value that should have filled the input.
    #[error("{count} bytes left after the value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A checksum over part of the value does not match.
    #[error("{what}: checksum mismatch")]
    Checksum {
        /// What it covers.
        what: &'static str,
    },
}

/// Deepest nesting of envelopes and sub-inputs that is followed. Ceph's deepest monitor structure
/// (an OSDMap inside a transaction inside a Paxos message) uses under ten.
pub const DEPTH_MAX: u8 = 32;

/// A bounds-checked cursor over input bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0 }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.bytes.split_at_checked(count) else {
            return Err(DecodeError::Truncated { wanted: count, left: self.bytes.len() });
        };
        self.bytes = tail;
        Ok(head)
    }

    /// Takes everything that is left (an unknown tail that is kept).
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Takes a fixed number of bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// Takes a u32 length and that many bytes (a bufferlist or string) without copying.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] when the length exceeds the input.
    pub fn slice(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = u32::decode(self)?;
        self.check_count(u64::from(count), 1)?;
        self.take(count as usize)
    }

    /// Reads a u32 element count, checked against the least size that the elements can have.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] when they cannot fit in what is left.
    pub fn count(&mut self, element_size_min: usize) -> Result<usize, DecodeError> {
        let count = u32::decode(self)?;
        self.check_count(u64::from(count), element_size_min)?;
        Ok(count as usize)
    }

    fn check_count(&self, count: u64, element_size_min: usize) -> Result<(), DecodeError> {
        if count.saturating_mul(element_size_min.max(1) as u64) > self.bytes.len() as u64 {
            return Err(DecodeError::TooMany { count, left: self.bytes.len() });
        }
        Ok(())
    }

    /// Reads the leading version byte of an old-style structure.
    ///
    /// # Errors
    /// [`DecodeError::Incompatible`] when it is newer than `known`.
    pub fn version_byte(&mut self, what: &'static str, known: u8) -> Result<u8, DecodeError> {
        let version = u8::decode(self)?;
        if version > known {
            return Err(DecodeError::Incompatible { what, compat: version, known });
        }
        Ok(version)
    }

    /// Reads a versioned envelope: `body` gets the writer's version and a reader over the envelope's
    /// content alone; what it leaves unread is skipped.
    ///
    /// # Errors
    /// [`DecodeError::Incompatible`] when the writer's compat is above `known`, and what `body` returns.
    pub fn envelope<T>(
        &mut self,
        what: &'static str,
        known: u8,
        body: impl FnOnce(u8, &mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let version = u8::decode(self)?;
        let compat = u8::decode(self)?;
        if compat > known {
            return Err(DecodeError::Incompatible { what, compat, known });
        }
        let mut inner = self.nested()?;
        body(version, &mut inner)
    }

    /// Reads a length-prefixed part that one value must fill (a bufferlist around a structure).
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left in the part, and as [`Reader::nested`].
    pub fn contained<T: Decode>(&mut self) -> Result<T, DecodeError> {
        let mut inner = self.nested()?;
        let value = T::decode(&mut inner)?;
        match inner.remaining() {
            0 => Ok(value),
            count => Err(DecodeError::Trailing { count }),
        }
    }

    /// Takes a length-prefixed part as a reader of its own, one level deeper.
    ///
    /// # Errors
    /// [`DecodeError::TooDeep`] past [`DEPTH_MAX`], and as [`Reader::slice`].
    pub fn nested(&mut self) -> Result<Self, DecodeError> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        Ok(Self { bytes: self.slice()?, depth })
    }
}

/// Writes a versioned envelope around what `body` appends.
pub fn envelope(out: &mut Vec<u8>, version: u8, compat: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(version);
    out.push(compat);
    prefixed(out, body);
}

/// Writes a u32 length prefix around what `body` appends.
pub fn prefixed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = length_u32(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Ceph's lengths are 32 bit. What we encode is bounded far below by the message and value limits, so
/// exceeding it is a broken invariant of ours.
fn length_u32(length: usize) -> u32 {
    assert!(u32::try_from(length).is_ok(), "encoded part of {length} bytes exceeds a u32 length");
    length as u32
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Encode for $int {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
        impl Decode for $int {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(input.array()?))
            }
            const SIZE_MIN: usize = size_of::<$int>();
        }
    )*};
}
integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, f32, f64);

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode for bool {
    /// Any byte but zero is true, as Ceph reads it.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(u8::decode(input)? != 0)
    }
}

impl Encode for [u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        length_u32(self.len()).encode(out);
        out.extend_from_slice(self);
    }
}

impl Encode for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().encode(out);
    }
}

impl Decode for Bytes {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::copy_from_slice(input.slice()?))
    }
    const SIZE_MIN: usize = 4;
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_bytes().encode(out);
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Decode for String {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        std::str::from_utf8(input.slice()?).map(Into::into).map_err(|_| DecodeError::NotUtf8)
    }
    const SIZE_MIN: usize = 4;
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        length_u32(self.len()).encode(out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(T::SIZE_MIN)?;
        (0..count).map(|_| T::decode(input)).collect()
    }
    const SIZE_MIN: usize = 4;
}

impl<T: Encode + Ord> Encode for BTreeSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        length_u32(self.len()).encode(out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode + Ord> Decode for BTreeSet<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(T::SIZE_MIN)?;
        (0..count).map(|_| T::decode(input)).collect()
    }
    const SIZE_MIN: usize = 4;
}

impl<K: Encode + Ord, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        length_u32(self.len()).encode(out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(K::SIZE_MIN + V::SIZE_MIN)?;
        (0..count).map(|_| Ok((K::decode(input)?, V::decode(input)?))).collect()
    }
    const SIZE_MIN: usize = 4;
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        bool::decode(input)?.then(|| T::decode(input)).transpose()
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
    const SIZE_MIN: usize = A::SIZE_MIN + B::SIZE_MIN;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[denc(version = 3, compat = 2)]
    struct Enveloped {
        count: u16,
        name: String,
    }

    #[test]
    fn envelope_skips_what_a_newer_writer_appended() {
        let newer = [4, 2, 9, 0, 0, 0, 7, 0, 1, 0, 0, 0, b'x', 0xaa, 0xbb];
        let value = Enveloped { count: 7, name: "x".into() };
        assert_eq!(Enveloped::from_bytes(&newer), Ok(value));
    }

    #[test]
    fn envelope_refuses_a_compat_above_ours() {
        let error = Enveloped::from_bytes(&[9, 4, 0, 0, 0, 0]);
        assert_eq!(error, Err(DecodeError::Incompatible { what: "Enveloped", compat: 4, known: 3 }));
    }

    #[test]
    fn round_trip_and_truncation_at_every_byte() {
        let value = Enveloped { count: 700, name: "mon.a".into() };
        let bytes = value.to_bytes();
        assert_eq!(Enveloped::from_bytes(&bytes), Ok(value));
        for cut in 0..bytes.len() {
            assert!(Enveloped::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn counts_are_checked_before_allocation() {
        let error = Vec::<u64>::from_bytes(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(error, Err(DecodeError::TooMany { count: 0xffff_ffff, left: 3 }));
    }
}
