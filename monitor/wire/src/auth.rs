//! Bodies of the frames that open a connection: HELLO and the authentication exchange. What the
//! authentication methods say to each other is opaque here.

use std::fmt;

use bytes::Bytes;
use mon_types::addr::EntityAddr;
use mon_types::encode::{Decode, Encode};

/// An authentication method by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AuthMethod(pub u32);

impl AuthMethod {
    /// Nobody proves anything.
    pub const NONE: Self = Self(1);
    /// cephx.
    pub const CEPHX: Self = Self(2);
}

impl fmt::Debug for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::CEPHX => f.write_str("cephx"),
            Self(other) => write!(f, "method {other}"),
        }
    }
}

/// How frames travel after authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Mode {
    /// In clear, with checksums.
    Crc = 1,
    /// Encrypted with AES-128-GCM.
    Secure = 2,
}

impl Mode {
    /// The mode with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Crc),
            2 => Some(Self::Secure),
            _ => None,
        }
    }

    /// The first of the peer's preferred modes that is allowed here, as the accepting side chooses.
    #[must_use]
    pub fn choose(preferred: &[u32], allowed: &[Self]) -> Option<Self> {
        preferred.iter().filter_map(|&number| Self::from_number(number)).find(|mode| allowed.contains(mode))
    }
}

/// HELLO: who speaks, and how it sees the other's address.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The speaker's entity type, as its number.
    pub kind: u8,
    /// The address that the listener's connection comes from (or goes to).
    pub seen: EntityAddr,
}

/// AUTH_REQUEST, by the connecting side.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuthRequest {
    /// The method it wants.
    pub method: AuthMethod,
    /// Numbers of the modes that it accepts, best first.
    pub preferred_modes: Vec<u32>,
    /// The method's first words.
    pub payload: Bytes,
}

/// AUTH_BAD_METHOD: refused. The connecting side may try another method on the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuthBadMethod {
    /// What was asked for.
    pub method: AuthMethod,
    /// Why not: a negative errno.
    pub result: i32,
    /// What would be accepted.
    pub methods: Vec<AuthMethod>,
    /// Numbers of the modes that would be.
    pub modes: Vec<u32>,
}

/// AUTH_DONE, by the accepting side.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuthDone {
    /// The connecting side's cluster-wide id; 0 between monitors.
    pub global_id: u64,
    /// Number of the mode chosen.
    pub mode: u32,
    /// The method's last words.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_byte_by_byte() {
        // As stock sends it to a client without cephx: method 1 is refused with EOPNOTSUPP.
        let body = AuthBadMethod {
            method: AuthMethod::NONE,
            result: -95,
            methods: vec![AuthMethod::CEPHX],
            modes: vec![2, 1],
        };
        let bytes = b"\x01\0\0\0\xa1\xff\xff\xff\x01\0\0\0\x02\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\0\0";
        assert_eq!(body.to_bytes(), &bytes[..]);
        assert_eq!(AuthBadMethod::from_bytes(bytes), Ok(body));
    }

    #[test]
    fn the_accepting_side_follows_the_peer_s_order() {
        let both = [Mode::Crc, Mode::Secure];
        assert_eq!(Mode::choose(&[2, 1], &both), Some(Mode::Secure));
        assert_eq!(Mode::choose(&[1, 2], &both), Some(Mode::Crc));
        assert_eq!(Mode::choose(&[7, 1], &[Mode::Secure]), None);
    }
}
