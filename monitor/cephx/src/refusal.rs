//! Why a handshake or an in-session request is refused.

use mon_types::crypto_key::CryptoKind;
use mon_types::encode::DecodeError;

use crate::seal::SealError;

/// Why a peer is not let in. The text is for the monitor's log; the peer learns only the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The cluster has not had a quorum yet.
    #[error("no quorum has formed yet")]
    NotReady,
    /// Quorum is lost and the preallocated global ids are used up.
    #[error("no global id can be given out now")]
    NoGlobalId,
    /// A method that is unknown or not allowed.
    #[error("authentication method {0} is not supported")]
    Method(u32),
    /// A payload of neither a client nor a monitor.
    #[error("the request starts in an unknown mode")]
    UnknownMode,
    /// A cephx request that does not exist.
    #[error("unknown cephx request {0:#x}")]
    UnknownRequest(u16),
    /// A frame that does not belong to this point of the handshake.
    #[error("the peer spoke out of turn")]
    OutOfTurn,
    /// No such entity.
    #[error("no such entity")]
    UnknownEntity,
    /// The proof does not fit the entity's key.
    #[error("the peer does not have the key")]
    WrongKey,
    /// The entity's key is of a type that the cluster no longer allows.
    #[error("keys of type {0} are not allowed; give the entity a new key or widen auth_allowed_ciphers")]
    Cipher(CryptoKind),
    /// The entity may do nothing with monitors.
    #[error("the entity has no mon caps")]
    NoCaps,
    /// A ticket came with a request for a new global id.
    #[error("an old ticket came with a request for a new global id")]
    SuperfluousTicket,
    /// A global id was claimed without its ticket.
    #[error("a global id was claimed without showing its ticket")]
    TicketMissing,
    /// A ticket that is not ours, not that entity's, or not for that global id.
    #[error("the old ticket does not prove the claim to the global id")]
    TicketBad,
    /// A ticket that has ended.
    #[error("the ticket has expired")]
    TicketExpired,
    /// There is no secret to seal a ticket for the service with.
    #[error("the service has no rotating secrets")]
    NoServiceSecret,
    /// A payload that does not decode.
    #[error("malformed payload: {0}")]
    Malformed(#[from] DecodeError),
    /// Something that should open or be sealed with a key was not.
    #[error("{0}")]
    Seal(#[from] SealError),
}

const EIO: i32 = 5;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;
const EAGAIN: i32 = 11;

impl Refusal {
    /// The result for `AUTH_BAD_METHOD` or `MAuthReply`: a negative errno, as stock monitors give it.
    #[must_use]
    pub fn code(&self) -> i32 {
        -match self {
            Self::NotReady => EBUSY,
            Self::NoGlobalId => EAGAIN,
            Self::Method(_) => EOPNOTSUPP,
            Self::UnknownMode | Self::UnknownRequest(_) | Self::SuperfluousTicket => EINVAL,
            Self::NoServiceSecret => EIO,
            Self::OutOfTurn
            | Self::UnknownEntity
            | Self::WrongKey
            | Self::Cipher(_)
            | Self::NoCaps
            | Self::TicketMissing
            | Self::TicketBad
            | Self::TicketExpired
            | Self::Malformed(_)
            | Self::Seal(_) => EACCES,
        }
    }
}
