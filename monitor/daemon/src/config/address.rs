//! Addresses as people write them in `mon_host`, `public_addr` and on command lines.
//!
//! ```text
//! 10.0.0.1   10.0.0.1:3300   [fd00::1]:3300   host.example:3300
//! v2:10.0.0.1:3300/0         [v2:10.0.0.1:3300,v1:10.0.0.1:6789]
//! ```

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use mon_types::addr::{AddrType, AddrVec, EntityAddr};

/// The port of msgr2.
pub(crate) const MSGR2_PORT: u16 = 3300;
const LEGACY_PORT: u16 = 6789;

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: use IP, IP:PORT, v2:IP:PORT or [v2:IP:PORT,v1:IP:PORT]")]
pub(crate) struct BadAddress(String);

/// One monitor's addresses. Names are looked up. A port of 6789 without `v2:` means msgr1, as in Ceph.
pub(crate) fn parse_addrs(text: &str) -> Result<AddrVec, BadAddress> {
    match parse_list(text)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(BadAddress(text.into())),
    }
}

/// The addresses of several monitors, separated by commas, semicolons or spaces; a bracket holds one
/// monitor's.
pub(crate) fn parse_list(text: &str) -> Result<Vec<AddrVec>, BadAddress> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(is_separator);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[').filter(|inner| starts_with_type(inner)) {
            let (group, after) = split_group(inner).ok_or_else(|| BadAddress(rest.into()))?;
            let addrs = group.split(is_separator).filter(|part| !part.is_empty());
            found.push(AddrVec(addrs.map(parse_one).collect::<Result<_, _>>()?));
            rest = after;
        } else {
            let end = rest.find(is_separator).unwrap_or(rest.len());
            found.push(AddrVec(vec![parse_one(&rest[..end])?]));
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(is_separator);
    }
    Ok(found)
}

fn is_separator(character: char) -> bool {
    matches!(character, ',' | ';' | ' ' | '\t')
}

fn starts_with_type(text: &str) -> bool {
    ["v1:", "v2:", "any:"].iter().any(|prefix| text.starts_with(prefix))
}

/// Splits behind the bracket that closes the group; IPv6 addresses have brackets of their own inside.
fn split_group(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn parse_one(text: &str) -> Result<EntityAddr, BadAddress> {
    let bad = || BadAddress(text.into());
    let (kind, rest) = match text.split_once(':') {
        Some(("v2", rest)) => (Some(AddrType::Msgr2), rest),
        Some(("v1", rest)) => (Some(AddrType::Legacy), rest),
        Some(("any", rest)) => (None, rest),
        _ => (None, text),
    };
    let (place, nonce) = match rest.rsplit_once('/') {
        Some((place, nonce)) => (place, nonce.parse().map_err(|_| bad())?),
        None => (rest, 0),
    };
    let default_port = if kind == Some(AddrType::Legacy) { LEGACY_PORT } else { MSGR2_PORT };
    let socket = socket_of(place, default_port).ok_or_else(bad)?;
    let by_port = if socket.port() == LEGACY_PORT { AddrType::Legacy } else { AddrType::Msgr2 };
    let kind = kind.unwrap_or(by_port);
    Ok(EntityAddr { kind, nonce, socket: Some(socket) })
}

fn socket_of(place: &str, default_port: u16) -> Option<SocketAddr> {
    let bare = place.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(place);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, default_port));
    }
    if let Ok(socket) = place.parse() {
        return Some(socket);
    }
    if place.is_empty() || place.starts_with('[') {
        return None;
    }
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (place, default_port),
    };
    (host, port).to_socket_addrs().ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse_list(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_usual_forms() {
        assert_eq!(shown("10.0.0.1"), ["v2:10.0.0.1:3300/0"]);
        assert_eq!(shown("10.0.0.1:6789"), ["v1:10.0.0.1:6789/0"]);
        assert_eq!(shown("fd00::1"), ["v2:[fd00::1]:3300/0"]);
        assert_eq!(shown("[fd00::1]:3301"), ["v2:[fd00::1]:3301/0"]);
        assert_eq!(shown("v2:10.0.0.1:3300/7"), ["v2:10.0.0.1:3300/7"]);
        assert_eq!(shown("localhost:4000").len(), 1);
        assert_eq!(
            shown("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[v2:[fd00::2]:3300]; 10.0.0.3 "),
            ["[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", "v2:[fd00::2]:3300/0", "v2:10.0.0.3:3300/0"]
        );
        assert_eq!(shown(""), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_address() {
        for text in ["v2:", "[v2:10.0.0.1:3300", "10.0.0.1:port", "v2:10.0.0.1:3300/x", "[fd00::1", ":3300"] {
            assert!(parse_list(text).is_err(), "{text}");
        }
        assert!(parse_addrs("10.0.0.1,10.0.0.2").is_err());
        assert!(parse_addrs("").is_err());
    }
}
