//! cephx: how clients, daemons and monitors prove who they are.
//!
//! Everything here is a function of bytes, keys, the wall time and randomness that the caller passes in;
//! no clock, no sockets. Frames around the payloads belong to msgr2 (`mon-wire`).
//!
//! Key material lives in types that wipe themselves and say nothing of it in `Debug`. Comparisons of
//! secrets take the same time whatever differs.

mod aes128;
mod aes256k;
pub mod authorizer;
pub mod client;
#[cfg(test)]
mod golden_test;
mod grant;
#[cfg(test)]
mod handshake_test;
mod proof;
pub mod protocol;
pub mod refusal;
pub mod rotating;
pub mod seal;
pub mod server;
pub mod session;
#[cfg(test)]
mod session_test;
#[cfg(test)]
mod testing;
pub mod ticket;
pub mod view;
