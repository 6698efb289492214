//! Addresses: `entity_addr_t` (the form with `MSG_ADDR2`) and `entity_addrvec_t`.
//!
//! ```text
//! entity_addr_t:    u8 marker 1 | ENCODE(1,1){ u32 type, u32 nonce, u32 n, sockaddr[n] }
//! sockaddr:         le16 family | be16 port | IPv4: 4 B, 8 B zero | IPv6: be32 flow, 16 B, u32 scope
//! entity_addrvec_t: u8 marker 2 | u32 n | n * entity_addr_t
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};

/// Which messenger protocol an address speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddrType {
    /// No address.
    #[default]
    None,
    /// msgr1.
    Legacy,
    /// msgr2, the only one that we speak.
    Msgr2,
    /// Whichever; what clients show for themselves.
    Any,
    /// A CIDR range (a blocklist entry).
    Cidr,
}

/// One address of an entity.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityAddr {
    /// The protocol.
    pub kind: AddrType,
    /// Tells apart processes that reuse an address; 0 for monitors.
    pub nonce: u32,
    /// Where; none for a blank address.
    pub socket: Option<SocketAddr>,
}

/// All addresses of an entity. Monitors have one msgr2 address and perhaps a legacy one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrVec(pub Vec<EntityAddr>);

impl AddrType {
    fn from_wire(raw: u32) -> Result<Self, DecodeError> {
        Ok(match raw {
            0 => Self::None,
            1 => Self::Legacy,
            2 => Self::Msgr2,
            3 => Self::Any,
            4 => Self::Cidr,
            _ => return Err(DecodeError::Invalid { what: "entity_addr_t type", value: raw.into() }),
        })
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Legacy => "v1",
            Self::Msgr2 => "v2",
            Self::Any => "any",
            Self::Cidr => "cidr",
        }
    }
}

impl EntityAddr {
    /// A msgr2 address with nonce 0, as monitors have.
    #[must_use]
    pub fn msgr2(socket: SocketAddr) -> Self {
        Self { kind: AddrType::Msgr2, nonce: 0, socket: Some(socket) }
    }
}

impl AddrVec {
    /// A vector of one msgr2 address.
    #[must_use]
    pub fn msgr2(socket: SocketAddr) -> Self {
        Self(vec![EntityAddr::msgr2(socket)])
    }

    /// The socket of the first msgr2 address.
    #[must_use]
    pub fn msgr2_socket(&self) -> Option<SocketAddr> {
        self.0.iter().find(|a| a.kind == AddrType::Msgr2).and_then(|a| a.socket)
    }

    /// Whether no address is in it, or only blank ones.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.iter().all(|a| a.socket.is_none_or(|s| s.ip().is_unspecified() && s.port() == 0))
    }
}

impl fmt::Display for EntityAddr {
    /// `v2:127.0.0.1:3300/0`, as Ceph prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket {
            Some(socket) => write!(f, "{}:{}/{}", self.kind.prefix(), socket, self.nonce),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Debug for EntityAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AddrVec {
    /// One address bare, several in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("-"),
            [one] => one.fmt(f),
            many => {
                for (i, addr) in many.iter().enumerate() {
                    write!(f, "{}{addr}", if i == 0 { '[' } else { ',' })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: use IP:PORT, v2:IP:PORT or [v2:IP:PORT,v1:IP:PORT]")]
pub struct BadAddr(pub String);

/// The port that monitors listen on with msgr2.
pub const PORT_MSGR2: u16 = 3300;
/// The port that monitors listen on with msgr1.
pub const PORT_LEGACY: u16 = 6789;

impl FromStr for EntityAddr {
    type Err = BadAddr;

    /// Takes `v2:IP:PORT`, with `/NONCE` or without; a bare `IP:PORT` is of the legacy kind at port 6789 and
    /// speaks msgr2 otherwise, as Ceph reads it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadAddr(text.into());
        let (kind, rest) = match text.split_once(':') {
            Some(("v1", rest)) => (Some(AddrType::Legacy), rest),
            Some(("v2", rest)) => (Some(AddrType::Msgr2), rest),
            Some(("any", rest)) => (Some(AddrType::Any), rest),
            _ => (None, text),
        };
        let (socket, nonce) = rest.split_once('/').unwrap_or((rest, "0"));
        let socket: SocketAddr = socket.parse().map_err(|_| bad())?;
        let nonce = nonce.parse().map_err(|_| bad())?;
        let by_port = if socket.port() == PORT_LEGACY { AddrType::Legacy } else { AddrType::Msgr2 };
        Ok(Self { kind: kind.unwrap_or(by_port), nonce, socket: Some(socket) })
    }
}

impl FromStr for AddrVec {
    type Err = BadAddr;

    /// Takes one address, several in brackets, or an IP alone, which means both default ports.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = list.unwrap_or(text).parse::<IpAddr>() {
            let at = |kind, port| EntityAddr { kind, nonce: 0, socket: Some((ip, port).into()) };
            return Ok(Self(vec![at(AddrType::Msgr2, PORT_MSGR2), at(AddrType::Legacy, PORT_LEGACY)]));
        }
        match list {
            Some(list) if list.starts_with('v') => {
                list.split(',').map(|addr| addr.trim().parse()).collect::<Result<_, _>>().map(Self)
            }
            _ => Ok(Self(vec![text.parse()?])),
        }
    }
}

const FAMILY_IPV4: u16 = 2;
const FAMILY_IPV6: u16 = 10;

impl Encode for EntityAddr {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(1);
        envelope(out, 1, 1, |out| {
            (self.kind as u32).encode(out);
            self.nonce.encode(out);
            match self.socket {
                // Ceph writes the whole union, which has an IPv6 address's size.
                None => [0u8; 28][..].encode(out),
                Some(SocketAddr::V4(v4)) => {
                    16u32.encode(out);
                    FAMILY_IPV4.encode(out);
                    out.extend_from_slice(&v4.port().to_be_bytes());
                    out.extend_from_slice(&v4.ip().octets());
                    out.extend_from_slice(&[0; 8]);
                }
                Some(SocketAddr::V6(v6)) => {
                    28u32.encode(out);
                    FAMILY_IPV6.encode(out);
                    out.extend_from_slice(&v6.port().to_be_bytes());
                    out.extend_from_slice(&v6.flowinfo().to_be_bytes());
                    out.extend_from_slice(&v6.ip().octets());
                    v6.scope_id().encode(out);
                }
            }
        });
    }
}

impl Decode for EntityAddr {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(input)? {
            1 => {}
            marker => {
                return Err(DecodeError::Invalid { what: "entity_addr_t marker", value: marker.into() });
            }
        }
        input.envelope("entity_addr_t", 1, |_, input| {
            let kind = AddrType::from_wire(u32::decode(input)?)?;
            let nonce = u32::decode(input)?;
            let mut sockaddr = Reader::new(input.slice()?);
            let socket =
                (sockaddr.remaining() > 0).then(|| decode_sockaddr(&mut sockaddr)).transpose()?.flatten();
            Ok(Self { kind, nonce, socket })
        })
    }
    const SIZE_MIN: usize = 19;
}

/// A family of 0 is a blank address, which stock daemons send before they know theirs.
fn decode_sockaddr(input: &mut Reader<'_>) -> Result<Option<SocketAddr>, DecodeError> {
    let family = u16::decode(input)?;
    let port = u16::from_be_bytes(input.array()?);
    match family {
        0 => Ok(None),
        FAMILY_IPV4 => Ok(Some((IpAddr::V4(Ipv4Addr::from(input.array::<4>()?)), port).into())),
        FAMILY_IPV6 => {
            let flow = u32::from_be_bytes(input.array()?);
            let ip = Ipv6Addr::from(input.array::<16>()?);
            let scope = u32::decode(input)?;
            Ok(Some(std::net::SocketAddrV6::new(ip, port, flow, scope).into()))
        }
        other => Err(DecodeError::Invalid { what: "sockaddr family", value: other.into() }),
    }
}

impl Encode for AddrVec {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(2);
        self.0.encode(out);
    }
}

impl Decode for AddrVec {
    /// Also takes the two older forms that share the field: a single address (marker 1).
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let marker = input.clone().array::<1>()?[0];
        match marker {
            1 => Ok(Self(vec![EntityAddr::decode(input)?])),
            2 => {
                u8::decode(input)?;
                Ok(Self(Vec::decode(input)?))
            }
            other => Err(DecodeError::Invalid { what: "entity_addrvec_t marker", value: other.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read_as_ceph_reads_them() {
        let cases = [
            ("v2:127.0.0.1:23200/0", "v2:127.0.0.1:23200/0"),
            ("127.0.0.1:6789", "v1:127.0.0.1:6789/0"),
            ("127.0.0.1:3301", "v2:127.0.0.1:3301/0"),
            ("10.0.0.1", "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]"),
            ("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]"),
            ("[v2:10.0.0.1:3300]", "v2:10.0.0.1:3300/0"),
            ("[fd00::1]:3300", "v2:[fd00::1]:3300/0"),
            ("v2:[fd00::1]:3300", "v2:[fd00::1]:3300/0"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<AddrVec>().map(|addrs| addrs.to_string()), Ok(shown.into()), "{text}");
        }
        for text in ["junk", "", "[]", "v2:1.2.3.4", "1.2.3.4:99999", "[v2:1.2.3.4:1"] {
            assert!(text.parse::<AddrVec>().is_err(), "{text}");
        }
    }
}
