//! Why connections end.

use std::time::Duration;

use mon_types::encode::DecodeError;

use crate::banner::BannerError;
use crate::crypto::CipherError;
use crate::frame::FrameError;
use crate::tag::Tag;

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Not our protocol.
    #[error(transparent)]
    Banner(#[from] BannerError),
    /// Damaged, too large or unknown frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame's body is not what its tag promises.
    #[error("malformed {tag:?} frame: {error}")]
    Malformed {
        /// The frame.
        tag: Tag,
        /// What is wrong.
        error: DecodeError,
    },
    /// A frame that has no place here.
    #[error("{0:?} frame out of place")]
    Unexpected(Tag),
    /// The other side's signature does not fit what was said: somebody tampered, or the keys differ.
    #[error("signature of the handshake does not fit: keys differ or somebody tampered with it")]
    BadSignature,
    /// Secure mode cannot begin or go on.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// AUTH_DONE names a mode that does not exist or was not offered.
    #[error("peer chose connection mode {0}, which was not offered")]
    Mode(u32),
    /// More bytes than a handshake needs.
    #[error("handshake exceeds {0} bytes")]
    HandshakeTooLong(usize),
    /// The session did not stand in time.
    #[error("handshake not finished in {0:?}")]
    HandshakeTooSlow(Duration),
    /// Nothing was heard for too long.
    #[error("peer silent for {0:?}")]
    Silent(Duration),
    /// The peer makes us answer but does not read the answers.
    #[error("peer does not read: more than {0} bytes of answers wait")]
    NotReading(usize),
    /// Bytes were handed in although earlier ones still wait for the application.
    #[error("peer sent ahead of the handshake")]
    Ahead,
    /// The application called what the exchange has no place for.
    #[error("call out of turn: the handshake is elsewhere")]
    OutOfTurn,
    /// The driver's socket failed or was closed.
    #[error("connection closed: {0}")]
    Socket(String),
    /// A session rule was broken; see the session's error.
    #[error("{0}")]
    Session(#[from] crate::session::SessionError),
}
