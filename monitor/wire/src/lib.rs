//! Ceph's msgr2.1 as a state machine: bytes in, bytes and events out; no sockets, no clock, no tokio.
//!
//! Payloads are opaque: what authentication methods and messages say is others' business. Time is a
//! [`Duration`](std::time::Duration) on the driver's monotonic clock, randomness is passed in.
//!
//! # How a driver uses it
//! **A connection, either side.** Connect or accept a socket (set `TCP_NODELAY`), make a [`Connection`], then
//! repeat until an error:
//! 1. [`Connection::poll_event`] until `None`; answer `Hello` and `Auth*` events with the `auth_*` calls (on
//!    the accepting side an answer may be given later; poll again after it).
//! 2. [`Connection::poll_transmit`] until `None`, writing to the socket.
//! 3. Wait for bytes ([`Connection::handle_bytes`]) or the time that [`Connection::poll_timeout`] names
//!    ([`Connection::handle_timeout`]).
//!
//! After [`Event::Authenticated`] the connection is handed to a [`Session`], and from then on the same three
//! steps are done with the session's methods of the same names:
//! * connecting side: [`Session::attach_outgoing`];
//! * accepting side: poll on until [`Event::Frame`] brings a `ClientIdent` or `Reconnect`, then find the
//!   session by the ident's addresses ([`SessionKey::of`] for a peer, a fresh [`Session`] for a
//!   client) and call [`Session::attach_incoming`]. It may answer something else than yes, and give the
//!   connection back: then go on polling it, a peer that was told to reset comes with another ident.
//!
//! **A session** has a [`Policy`]. Sessions with clients are lossy and end with their connection
//! ([`SessionEvent::Closed`]). A session with a monitor outlives connections: when one breaks
//! ([`SessionEvent::Down`]; tell it with [`Session::handle_lost`] when the socket ends), it asks to be
//! reconnected: whenever [`Session::poll_dial`] says so, make a connection, authenticate it, attach it, or
//! report [`Session::handle_dial_failed`]. Messages given to [`Session::send`] arrive once and in order as
//! long as neither process forgets the session.

pub mod auth;
mod banner;
pub mod bug;
mod connection;
mod crypto;
pub mod frame;
pub mod ident;
pub mod limits;
pub mod session;
mod session_frame;
pub mod tag;

pub use banner::BannerError;
pub use connection::{Connection, ConnectionError, Event, Side};
pub use crypto::{CipherError, Secret};
pub use limits::Limits;
pub use session::{
    GlobalSeq, Identity, Incoming, OpenedPeer, Policy, Session, SessionError, SessionEvent, SessionKey,
};
pub use session_frame::SessionFrame;
