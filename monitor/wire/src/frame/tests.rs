use proptest::prelude::*;

use super::*;
use crate::crypto::{CipherPair, Secret};

const MAX: usize = 1 << 20;

fn codecs(secure: bool) -> (FrameWriter, FrameReader) {
    let (mut writer, mut reader) = (FrameWriter::default(), FrameReader::default());
    if secure {
        let secret = Secret::new((0..40).collect());
        writer.secure(CipherPair::new(&secret, true).unwrap().tx);
        reader.secure(CipherPair::new(&secret, false).unwrap().rx);
    }
    (writer, reader)
}

fn written(writer: &mut FrameWriter, tag: Tag, segments: &[Vec<u8>; 4]) -> BytesMut {
    let mut out = BytesMut::new();
    writer.write(tag, segments.each_ref().map(Vec::as_slice), &mut out).unwrap();
    out
}

#[test]
fn an_ack_in_crc_mode_byte_by_byte() {
    let (mut writer, _) = codecs(false);
    let out = written(&mut writer, Tag::Ack, &[vec![7, 0, 0, 0, 0, 0, 0, 0], vec![], vec![], vec![]]);
    let mut expected = vec![20, 1, 8, 0, 0, 0, 8, 0];
    expected.resize(28, 0);
    expected.extend_from_slice(&crc32c(0, &expected).to_le_bytes());
    expected.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&crc32c(u32::MAX, &[7, 0, 0, 0, 0, 0, 0, 0]).to_le_bytes());
    assert_eq!(out, expected);
}

#[test]
fn checksums_are_ceph_s() {
    // The usual check value of CRC-32C is e3069283 with both inversions; Ceph leaves out the last.
    assert_eq!(crc32c(u32::MAX, b"123456789"), !0xe306_9283);
    assert_eq!(crc32c(0, b""), 0);
}

#[test]
fn a_short_frame_in_secure_mode_is_always_96_bytes() {
    for length in [0, 1, 48] {
        let (mut writer, _) = codecs(true);
        let out = written(&mut writer, Tag::Ack, &[vec![1; length], vec![], vec![], vec![]]);
        assert_eq!(out.len(), 96);
    }
    let (mut writer, _) = codecs(true);
    let out = written(&mut writer, Tag::Message, &[vec![1; 49], vec![2; 17], vec![], vec![3]]);
    assert_eq!(out.len(), 96 + 16 + 16 + 32 + 16 + 16 + 16);
}

#[test]
fn aborted_frames_are_skipped() {
    let (mut writer, mut reader) = codecs(false);
    let mut out = written(&mut writer, Tag::Message, &[vec![], vec![9], vec![], vec![]]);
    let status = out.len() - EPILOGUE_CRC_LEN;
    out[status] = STATUS_ABORTED;
    reader.push(&out);
    reader.push(&written(&mut writer, Tag::Ack, &[vec![1], vec![], vec![], vec![]]));
    assert_eq!(reader.next(MAX, None).unwrap().unwrap().tag, Tag::Ack);
}

#[test]
fn lengths_are_refused_before_their_bytes_arrive() {
    for secure in [false, true] {
        let (mut writer, mut reader) = codecs(secure);
        let out = written(&mut writer, Tag::Message, &[vec![0; 10], vec![0; 91], vec![], vec![]]);
        reader.push(&out[..96.min(out.len())]);
        let error = reader.next(100, None);
        assert_eq!(error, Err(FrameError::TooLarge { bytes: 101, bytes_max: 100 }));
    }
}

#[test]
fn an_empty_last_segment_too_many_segments_and_flags_are_refused() {
    let preamble = |segments: u8, flags: u8| {
        let mut bytes = vec![17, segments, 1, 0, 0, 0, 8, 0];
        bytes.resize(26, 0);
        bytes.extend_from_slice(&[flags, 0]);
        bytes.extend_from_slice(&crc32c(0, &bytes).to_le_bytes());
        let mut reader = FrameReader::default();
        reader.push(&bytes);
        reader.next(MAX, None)
    };
    assert_eq!(preamble(0, 0), Err(FrameError::Segments(0)));
    assert_eq!(preamble(2, 0), Err(FrameError::Segments(2)));
    assert_eq!(preamble(5, 0), Err(FrameError::Segments(5)));
    assert_eq!(preamble(1, 1), Err(FrameError::Flags(1)));
    assert_eq!(preamble(1, 0), Ok(None));
}

fn tag() -> impl Strategy<Value = Tag> {
    (0..Tag::ALL.len()).prop_map(|i| Tag::ALL[i])
}

fn segments() -> impl Strategy<Value = [Vec<u8>; 4]> {
    let bytes = || prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 0..200)];
    [bytes(), bytes(), bytes(), bytes()]
}

proptest! {
    #[test]
    fn frames_arrive_as_sent_however_the_stream_is_cut(
        secure: bool,
        frames in proptest::collection::vec((tag(), segments()), 1..6),
        cuts in proptest::collection::vec(1usize..300, 1..40),
    ) {
        let (mut writer, mut reader) = codecs(secure);
        let mut stream = BytesMut::new();
        for (tag, segments) in &frames {
            stream.unsplit(written(&mut writer, *tag, segments));
        }
        let whole = stream.clone();
        let (mut received, mut transcript, mut cuts) = (Vec::new(), Vec::new(), cuts.into_iter().cycle());
        while !stream.is_empty() {
            let cut = cuts.next().unwrap().min(stream.len());
            reader.push(&stream.split_to(cut));
            while let Some(frame) = reader.next(MAX, Some(&mut transcript)).unwrap() {
                received.push((frame.tag, frame.segments.map(|s| s.to_vec())));
            }
        }
        prop_assert_eq!(received, frames);
        prop_assert_eq!(transcript, whole);
    }

    #[test]
    fn a_flipped_bit_never_gives_another_frame(
        secure: bool,
        tag in tag(),
        segments in segments(),
        position: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let (mut writer, mut reader) = codecs(secure);
        let mut stream = written(&mut writer, tag, &segments);
        let position = position.index(stream.len());
        stream[position] ^= 1 << bit;
        reader.push(&stream);
        match reader.next(MAX, None) {
            Err(_) | Ok(None) => {}
            // Outside the checksums of crc mode lie only the status's upper half and unused checksums.
            Ok(Some(frame)) => {
                prop_assert!(!secure);
                prop_assert_eq!(frame.segments.map(|s| s.to_vec()), segments);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(secure: bool, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (_, mut reader) = codecs(secure);
        reader.push(&bytes);
        while let Ok(Some(_)) = reader.next(MAX, None) {}
    }
}
