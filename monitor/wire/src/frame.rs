//! Frames: how segments of bytes travel, in clear with checksums (crc mode) or encrypted (secure mode).
//!
//! ```text
//! preamble 32 B:  u8 tag | u8 segments | 4 * (le32 length, le16 alignment) | u8 flags | u8 0 | le32 crc of the 28 B
//! crc mode:       preamble | segment 0, le32 crc (nothing if empty) | segments 1..3 | epilogue
//!   epilogue 13 B u8 status | 3 * le32 crc            only with more than one segment
//! secure mode:    [preamble | first 48 B of segment 0] tag | [rest of segment 0] tag | [segments 1..3 | epilogue] tag
//!   every part zero-padded to 16 B, the first always 48; epilogue = u8 status | 15 B zero
//! ```
//! Trailing empty segments are not sent. The preamble's checksum starts from 0, the others from -1, none
//! is inverted at the end. A status of aborted tells to forget the frame.
//! Source: msgr2 protocol, "Frame format" (msgr2.1); checked against stock 16, 18 and 20.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::crypto::{Cipher, CipherError, TAG_LEN};
use crate::tag::Tag;

/// Most segments of a frame.
pub const SEGMENTS_MAX: usize = 4;

const PREAMBLE_LEN: usize = 32;
const PREAMBLE_CRC_AT: usize = 28;
const INLINE_LEN: usize = 48;
const EPILOGUE_CRC_LEN: usize = 13;
const BLOCK: usize = 16;
const EPILOGUE_SECURE_LEN: usize = BLOCK;
const STATUS_MASK: u8 = 0x0f;
const STATUS_ABORTED: u8 = 0x01;
const STATUS_COMPLETE: u8 = 0x0e;
const ALIGNMENT: [u16; SEGMENTS_MAX] = [8, 8, 8, 4096];

/// A received frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub tag: Tag,
    /// Its segments; those not sent are empty.
    pub segments: [Bytes; SEGMENTS_MAX],
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A tag that msgr2.1 does not have.
    #[error("unknown frame tag {0}")]
    UnknownTag(u8),
    /// None, more than four, or a last one that is empty.
    #[error("frame with a wrong number of segments: {0}")]
    Segments(u8),
    /// Flags announce compression, which was never agreed to.
    #[error("frame flags {0:#x} were not negotiated")]
    Flags(u8),
    /// More bytes than the limits allow.
    #[error("frame of {bytes} bytes, at most {bytes_max} are accepted here")]
    TooLarge {
        /// What the preamble says.
        bytes: u64,
        /// What is allowed.
        bytes_max: usize,
    },
    /// Damaged on the way.
    #[error("checksum mismatch in {0}")]
    Checksum(&'static str),
    /// The epilogue says neither complete nor aborted.
    #[error("unknown frame status {0:#x}")]
    Status(u8),
    /// Secure mode failed.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// Ceph's CRC-32C: a seed, and no inversion at the end.
fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !::crc32c::crc32c_append(!seed, bytes)
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

#[derive(Debug, Clone, Copy)]
struct Preamble {
    tag: Tag,
    count: usize,
    lengths: [usize; SEGMENTS_MAX],
}

impl Preamble {
    fn encode(tag: Tag, segments: &[&[u8]]) -> [u8; PREAMBLE_LEN] {
        let mut out = [0; PREAMBLE_LEN];
        out[0] = tag as u8;
        out[1] = segments.len() as u8;
        for (i, segment) in segments.iter().enumerate() {
            let at = 2 + 6 * i;
            out[at..at + 4].copy_from_slice(&(segment.len() as u32).to_le_bytes());
            out[at + 4..at + 6].copy_from_slice(&ALIGNMENT[i].to_le_bytes());
        }
        let crc = crc32c(0, &out[..PREAMBLE_CRC_AT]);
        out[PREAMBLE_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(mut bytes: &[u8], bytes_max: usize) -> Result<Self, FrameError> {
        let crc = crc32c(0, &bytes[..PREAMBLE_CRC_AT]);
        if crc.to_le_bytes() != bytes[PREAMBLE_CRC_AT..PREAMBLE_LEN] {
            return Err(FrameError::Checksum("preamble"));
        }
        let tag = bytes.get_u8();
        let tag = Tag::from_number(tag).ok_or(FrameError::UnknownTag(tag))?;
        let number = bytes.get_u8();
        let count = usize::from(number);
        if !(1..=SEGMENTS_MAX).contains(&count) {
            return Err(FrameError::Segments(number));
        }
        let mut lengths = [0; SEGMENTS_MAX];
        let mut total = 0;
        for (i, length) in lengths.iter_mut().enumerate() {
            let announced = bytes.get_u32_le();
            bytes.advance(2);
            if i < count {
                *length = announced as usize;
                total += u64::from(announced);
            }
        }
        if count > 1 && lengths[count - 1] == 0 {
            return Err(FrameError::Segments(number));
        }
        if total > bytes_max as u64 {
            return Err(FrameError::TooLarge { bytes: total, bytes_max });
        }
        match bytes.get_u8() {
            0 => Ok(Self { tag, count, lengths }),
            flags => Err(FrameError::Flags(flags)),
        }
    }

    /// Bytes of the frame that follow its first block.
    fn rest_len(&self, secure: bool) -> usize {
        let later = &self.lengths[1..self.count];
        if secure {
            let first = padded(self.lengths[0]);
            let first = if first > INLINE_LEN { first - INLINE_LEN + TAG_LEN } else { 0 };
            let later_len: usize = later.iter().map(|&l| padded(l)).sum();
            first + if later.is_empty() { 0 } else { later_len + EPILOGUE_SECURE_LEN + TAG_LEN }
        } else {
            let first = if self.lengths[0] > 0 { self.lengths[0] + 4 } else { 0 };
            let later_len: usize = later.iter().sum();
            first + if later.is_empty() { 0 } else { later_len + EPILOGUE_CRC_LEN }
        }
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Default)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    cipher: Option<Cipher>,
    /// The preamble being waited for to complete, and in secure mode the decrypted start of segment 0.
    begun: Option<(Preamble, Bytes)>,
}

impl FrameReader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes that is, the decrypted start of a frame included.
    pub(crate) fn incomplete_bytes(&self) -> usize {
        self.buffer.len() + self.begun.as_ref().map_or(0, |(_, start)| start.len())
    }

    /// What was received and not yet returned as frames.
    pub(crate) fn pending(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// From the next frame on, expect secure mode.
    pub(crate) fn secure(&mut self, cipher: Cipher) {
        self.cipher = Some(cipher);
    }

    /// The next whole frame; its raw bytes are appended to `transcript` if there is one.
    pub(crate) fn next(
        &mut self,
        bytes_max: usize,
        mut transcript: Option<&mut Vec<u8>>,
    ) -> Result<Option<Frame>, FrameError> {
        loop {
            let (preamble, inline) = match self.begun.take() {
                Some(begun) => begun,
                None => match self.begin(bytes_max, transcript.as_deref_mut())? {
                    Some(begun) => begun,
                    None => return Ok(None),
                },
            };
            let rest_len = preamble.rest_len(self.cipher.is_some());
            if self.buffer.len() < rest_len {
                self.begun = Some((preamble, inline));
                return Ok(None);
            }
            let rest = self.buffer.split_to(rest_len);
            if let Some(transcript) = transcript.as_deref_mut() {
                transcript.extend_from_slice(&rest);
            }
            let (status, segments) = match &mut self.cipher {
                Some(cipher) => open(cipher, &preamble, &inline, rest)?,
                None => check(&preamble, rest.freeze())?,
            };
            match status & STATUS_MASK {
                STATUS_COMPLETE => return Ok(Some(Frame { tag: preamble.tag, segments })),
                STATUS_ABORTED => {}
                status => return Err(FrameError::Status(status)),
            }
        }
    }

    fn begin(
        &mut self,
        bytes_max: usize,
        transcript: Option<&mut Vec<u8>>,
    ) -> Result<Option<(Preamble, Bytes)>, FrameError> {
        let length = if self.cipher.is_some() { PREAMBLE_LEN + INLINE_LEN + TAG_LEN } else { PREAMBLE_LEN };
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut block = self.buffer.split_to(length);
        if let Some(transcript) = transcript {
            transcript.extend_from_slice(&block);
        }
        if let Some(cipher) = &mut self.cipher {
            let length = cipher.open(&mut block)?;
            block.truncate(length);
        }
        let preamble = Preamble::decode(&block, bytes_max)?;
        block.advance(PREAMBLE_LEN);
        Ok(Some((preamble, block.freeze())))
    }
}

type StatusAndSegments = (u8, [Bytes; SEGMENTS_MAX]);

/// Takes a crc-mode frame apart. `rest` has exactly the length that the preamble asks for.
fn check(preamble: &Preamble, mut rest: Bytes) -> Result<StatusAndSegments, FrameError> {
    let mut segments = [const { Bytes::new() }; SEGMENTS_MAX];
    if preamble.lengths[0] > 0 {
        segments[0] = rest.split_to(preamble.lengths[0]);
        if crc32c(u32::MAX, &segments[0]) != rest.get_u32_le() {
            return Err(FrameError::Checksum("segment 0"));
        }
    }
    if preamble.count == 1 {
        return Ok((STATUS_COMPLETE, segments));
    }
    for (segment, &length) in segments.iter_mut().zip(&preamble.lengths).take(preamble.count).skip(1) {
        *segment = rest.split_to(length);
    }
    let status = rest.get_u8();
    for segment in &segments[1..preamble.count] {
        if crc32c(u32::MAX, segment) != rest.get_u32_le() {
            return Err(FrameError::Checksum("a later segment"));
        }
    }
    Ok((status, segments))
}

/// Decrypts a secure-mode frame.
fn open(
    cipher: &mut Cipher,
    preamble: &Preamble,
    inline: &Bytes,
    mut rest: BytesMut,
) -> Result<StatusAndSegments, FrameError> {
    let mut segments = [const { Bytes::new() }; SEGMENTS_MAX];
    let first = preamble.lengths[0];
    segments[0] = if padded(first) > INLINE_LEN {
        let mut block = rest.split_to(padded(first) - INLINE_LEN + TAG_LEN);
        cipher.open(&mut block)?;
        let mut whole = BytesMut::with_capacity(first);
        whole.extend_from_slice(inline);
        whole.extend_from_slice(&block[..first - INLINE_LEN]);
        whole.freeze()
    } else {
        inline.slice(..first)
    };
    if preamble.count == 1 {
        return Ok((STATUS_COMPLETE, segments));
    }
    cipher.open(&mut rest)?;
    let mut rest = rest.freeze();
    for (segment, &length) in segments.iter_mut().zip(&preamble.lengths).take(preamble.count).skip(1) {
        *segment = rest.slice(..length);
        rest.advance(padded(length));
    }
    Ok((rest.get_u8(), segments))
}

/// Turns frames into bytes.
#[derive(Default)]
pub(crate) struct FrameWriter {
    cipher: Option<Cipher>,
}

impl FrameWriter {
    /// From the next frame on, encrypt.
    pub(crate) fn secure(&mut self, cipher: Cipher) {
        self.cipher = Some(cipher);
    }

    /// Appends a frame. Only the first segment may be empty when others follow it not.
    pub(crate) fn write(
        &mut self,
        tag: Tag,
        segments: [&[u8]; SEGMENTS_MAX],
        out: &mut BytesMut,
    ) -> Result<(), CipherError> {
        let last = segments.iter().rposition(|s| !s.is_empty()).unwrap_or(0);
        let segments = &segments[..=last];
        let preamble = Preamble::encode(tag, segments);
        match &mut self.cipher {
            Some(cipher) => write_secure(cipher, &preamble, segments, out),
            None => {
                write_crc(&preamble, segments, out);
                Ok(())
            }
        }
    }
}

fn write_crc(preamble: &[u8; PREAMBLE_LEN], segments: &[&[u8]], out: &mut BytesMut) {
    out.put_slice(preamble);
    let (first, later) = (segments[0], &segments[1..]);
    if !first.is_empty() {
        out.put_slice(first);
        out.put_u32_le(crc32c(u32::MAX, first));
    }
    if later.is_empty() {
        return;
    }
    later.iter().for_each(|segment| out.put_slice(segment));
    out.put_u8(STATUS_COMPLETE);
    for i in 0..SEGMENTS_MAX - 1 {
        out.put_u32_le(later.get(i).map_or(0, |segment| crc32c(u32::MAX, segment)));
    }
}

fn write_secure(
    cipher: &mut Cipher,
    preamble: &[u8; PREAMBLE_LEN],
    segments: &[&[u8]],
    out: &mut BytesMut,
) -> Result<(), CipherError> {
    let (first, later) = (segments[0], &segments[1..]);
    let (inline, rest) = first.split_at(first.len().min(INLINE_LEN));
    let start = out.len();
    out.put_slice(preamble);
    put_padded(out, inline, INLINE_LEN);
    seal(cipher, out, start)?;
    if !rest.is_empty() {
        let start = out.len();
        put_padded(out, rest, padded(rest.len()));
        seal(cipher, out, start)?;
    }
    if !later.is_empty() {
        let start = out.len();
        later.iter().for_each(|segment| put_padded(out, segment, padded(segment.len())));
        put_padded(out, &[STATUS_COMPLETE], EPILOGUE_SECURE_LEN);
        seal(cipher, out, start)?;
    }
    Ok(())
}

fn put_padded(out: &mut BytesMut, bytes: &[u8], length: usize) {
    out.put_slice(bytes);
    out.put_bytes(0, length - bytes.len());
}

fn seal(cipher: &mut Cipher, out: &mut BytesMut, start: usize) -> Result<(), CipherError> {
    let tag = cipher.seal(&mut out[start..])?;
    out.put_slice(&tag);
    Ok(())
}

#[cfg(test)]
mod tests;
