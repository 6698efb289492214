//! What sessions say to each other once authenticated: identification, messages, acknowledgements.

use bytes::{Bytes, BytesMut};
use mon_types::encode::{Decode, DecodeError, Encode, Reader};
use mon_types::message::RawMessage;

use crate::crypto::CipherError;
use crate::frame::{Frame, FrameWriter};
use crate::ident::{ClientIdent, Reconnect, ServerIdent};
use crate::tag::Tag;

/// A frame of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionFrame {
    /// Opens a session.
    ClientIdent(ClientIdent),
    /// Agrees to one.
    ServerIdent(ServerIdent),
    /// Refuses one: the bits that the connecting side lacks.
    MissingFeatures(u64),
    /// Goes on with a session.
    Reconnect(Reconnect),
    /// There is no such session: open a new one.
    Reset {
        /// Whether what was sent in the old one is void.
        full: bool,
    },
    /// The reconnect's `connect_seq` is behind this one: try again.
    Retry {
        /// What the accepting side has.
        connect_seq: u64,
    },
    /// The `global_seq` is behind this one: try again.
    RetryGlobal {
        /// What the accepting side has.
        global_seq: u64,
    },
    /// Agrees to a reconnect.
    ReconnectOk {
        /// The last message that the accepting side has received.
        msg_seq: u64,
    },
    /// The accepting side is connecting itself, and its attempt goes first.
    Wait,
    /// A message.
    Message {
        /// Its number in its direction of the session, from 1.
        seq: u64,
        /// The last message that the sender has received.
        ack_seq: u64,
        /// The rest.
        message: RawMessage,
    },
    /// Everything up to this number has been received.
    Ack {
        /// The number.
        seq: u64,
    },
}

/// `ceph_msg_header2`, the first segment of a MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct MessageHeader {
    seq: u64,
    tid: u64,
    kind: u16,
    priority: u16,
    version: u16,
    data_padding: u32,
    data_offset: u16,
    ack_seq: u64,
    flags: u8,
    compat: u16,
    reserved: u16,
}

/// Bytes of a [`MessageHeader`].
pub(crate) const MESSAGE_HEADER_LEN: usize = 41;

/// Reads a body. A longer one comes from a newer peer that appended to it.
pub(crate) fn body<T: Decode>(bytes: &Bytes) -> Result<T, DecodeError> {
    T::decode(&mut Reader::new(bytes))
}

impl SessionFrame {
    /// The session's frame in a frame; gives it back when its tag belongs to another phase.
    pub(crate) fn decode(frame: Frame) -> Result<Result<Self, Frame>, DecodeError> {
        let [first, front, middle, data] = &frame.segments;
        Ok(Ok(match frame.tag {
            Tag::ClientIdent => Self::ClientIdent(body(first)?),
            Tag::ServerIdent => Self::ServerIdent(body(first)?),
            Tag::IdentMissingFeatures => Self::MissingFeatures(body(first)?),
            Tag::SessionReconnect => Self::Reconnect(body(first)?),
            Tag::SessionReset => Self::Reset { full: body(first)? },
            Tag::SessionRetry => Self::Retry { connect_seq: body(first)? },
            Tag::SessionRetryGlobal => Self::RetryGlobal { global_seq: body(first)? },
            Tag::SessionReconnectOk => Self::ReconnectOk { msg_seq: body(first)? },
            Tag::Wait => Self::Wait,
            Tag::Ack => Self::Ack { seq: body(first)? },
            Tag::Message => {
                let header: MessageHeader = body(first)?;
                let message = RawMessage {
                    tid: header.tid,
                    kind: header.kind,
                    priority: header.priority,
                    version: header.version,
                    compat: header.compat,
                    front: front.clone(),
                    middle: middle.clone(),
                    data: data.clone(),
                };
                Self::Message { seq: header.seq, ack_seq: header.ack_seq, message }
            }
            Tag::Hello
            | Tag::AuthRequest
            | Tag::AuthBadMethod
            | Tag::AuthReplyMore
            | Tag::AuthRequestMore
            | Tag::AuthDone
            | Tag::AuthSignature
            | Tag::Keepalive2
            | Tag::Keepalive2Ack
            | Tag::CompressionRequest
            | Tag::CompressionDone => return Ok(Err(frame)),
        }))
    }

    /// Appends the frame's bytes.
    pub(crate) fn write(&self, writer: &mut FrameWriter, out: &mut BytesMut) -> Result<(), CipherError> {
        let mut control = |tag, body: &dyn Encode| {
            let mut bytes = Vec::new();
            body.encode(&mut bytes);
            writer.write(tag, [&bytes, &[], &[], &[]], out)
        };
        match self {
            Self::ClientIdent(ident) => control(Tag::ClientIdent, ident),
            Self::ServerIdent(ident) => control(Tag::ServerIdent, ident),
            Self::MissingFeatures(features) => control(Tag::IdentMissingFeatures, features),
            Self::Reconnect(reconnect) => control(Tag::SessionReconnect, reconnect),
            Self::Reset { full } => control(Tag::SessionReset, full),
            Self::Retry { connect_seq } => control(Tag::SessionRetry, connect_seq),
            Self::RetryGlobal { global_seq } => control(Tag::SessionRetryGlobal, global_seq),
            Self::ReconnectOk { msg_seq } => control(Tag::SessionReconnectOk, msg_seq),
            Self::Wait => writer.write(Tag::Wait, [&[]; 4], out),
            Self::Ack { seq } => control(Tag::Ack, seq),
            Self::Message { seq, ack_seq, message } => write_message(writer, *seq, *ack_seq, message, out),
        }
    }
}

/// Appends a MESSAGE frame.
pub(crate) fn write_message(
    writer: &mut FrameWriter,
    seq: u64,
    ack_seq: u64,
    message: &RawMessage,
    out: &mut BytesMut,
) -> Result<(), CipherError> {
    let header = MessageHeader {
        seq,
        tid: message.tid,
        kind: message.kind,
        priority: message.priority,
        version: message.version,
        data_padding: 0,
        data_offset: 0,
        ack_seq,
        flags: 0,
        compat: message.compat,
        reserved: 0,
    };
    let mut bytes = Vec::with_capacity(MESSAGE_HEADER_LEN);
    header.encode(&mut bytes);
    writer.write(Tag::Message, [&bytes, &message.front, &message.middle, &message.data], out)
}

#[cfg(test)]
mod tests;
