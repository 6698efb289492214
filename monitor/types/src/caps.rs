//! `MonCap`: what an entity may do at the monitor.
//!
//! ```text
//! MonCap: ENCODE(4,4){ string text }
//! ```
//!
//! A capability is a list of grants. They add up: a request passes as soon as the grants seen so far
//! cover everything that it needs. `parse` reads the text, `profile` expands the named profiles.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::{BitOr, BitOrAssign};

use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};
use crate::entity::EntityName;

mod cursor;
mod parse;
mod profile;
mod syntax;

pub use syntax::{CapError, check};

/// A monitor capability: its text, and what the text grants.
///
/// Text that does not parse grants nothing; it is kept, because it is stored and passed on unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonCap {
    text: String,
    grants: Vec<Grant>,
}

/// One `allow ...` of a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it allows.
    pub scope: Scope,
    /// From where only.
    pub network: Option<Network>,
}

/// What a grant is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every service but `config-key`.
    Blanket {
        /// How far; [`Access::ANY`] passes everything, `config-key` too.
        access: Access,
        /// `fsname=`: the only file system that its holder may see.
        fs_name: Option<String>,
    },
    /// One service, such as `osd` or `config-key`.
    Service {
        /// Its name.
        service: String,
        /// How far.
        access: Access,
    },
    /// One command, with constraints on its arguments.
    Command {
        /// The command's prefix, such as `config-key get`.
        command: String,
        /// A constrained argument must be present and match.
        args: BTreeMap<String, Constraint>,
    },
    /// A named set of grants.
    Profile(String),
}

/// A set of read, write and execute.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Access(u8);

/// What an argument of a command must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Exactly this.
    Equal(String),
    /// Something that starts with this.
    Prefix(String),
    /// A whole match of this regular expression; one that does not compile matches nothing.
    Regex(String),
}

/// A `network` clause, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network(pub String);

/// Text that is not a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a capability for {service}: it makes no sense from '{rest}' on")]
pub struct BadCap {
    /// Whose capability it should be.
    pub service: &'static str,
    /// All of it.
    pub text: String,
    /// From where on it cannot be read.
    pub rest: String,
}

/// A request to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub entity: &'a EntityName,
    /// The service that the operation belongs to.
    pub service: &'a str,
    /// The command's prefix; empty for what is no command.
    pub command: &'a str,
    /// The command's arguments in text.
    pub args: &'a BTreeMap<String, String>,
    /// What the operation needs.
    pub need: Access,
    /// Where the peer's connection comes from.
    pub addr: Option<IpAddr>,
}

impl Access {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Read.
    pub const READ: Self = Self(1);
    /// Write.
    pub const WRITE: Self = Self(2);
    /// Execute: what touches keys, mostly.
    pub const EXECUTE: Self = Self(4);
    /// Read, write and execute.
    pub const ALL: Self = Self(7);
    /// `*`: more than the sum of the three.
    pub const ANY: Self = Self(0xff);

    /// Whether everything in `other` is in this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Reads a command table's permission column, such as `rw`; `None` for other letters.
    #[must_use]
    pub fn from_letters(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::NONE, |access, letter| {
            Some(
                access
                    | match letter {
                        'r' => Self::READ,
                        'w' => Self::WRITE,
                        'x' => Self::EXECUTE,
                        _ => return None,
                    },
            )
        })
    }
}

impl BitOr for Access {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Access {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("*");
        }
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::EXECUTE, "x")] {
            if self.covers(bit) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

impl MonCap {
    /// `allow *`.
    #[must_use]
    pub fn allow_all() -> Self {
        let scope = Scope::Blanket { access: Access::ANY, fs_name: None };
        Self { text: "allow *".into(), grants: vec![Grant { scope, network: None }] }
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The grants, in order.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether one of the grants is `allow *`, wherever from.
    #[must_use]
    pub fn is_allow_all(&self) -> bool {
        self.grants.iter().any(Grant::is_allow_all)
    }

    /// Whether the request passes.
    #[must_use]
    pub fn allows(&self, request: &Request<'_>) -> bool {
        let mut granted = Access::NONE;
        for grant in &self.grants {
            if grant.network.as_ref().is_some_and(|network| !network.contains(request.addr)) {
                continue;
            }
            if grant.is_allow_all() {
                return true;
            }
            granted |= grant.scope.allowed(request);
            if granted.covers(request.need) {
                return true;
            }
        }
        false
    }

    /// The file systems that the holder is confined to by `fsname`; empty means no such limit.
    pub fn fs_names(&self) -> impl Iterator<Item = &str> {
        self.grants.iter().filter_map(|grant| match &grant.scope {
            Scope::Blanket { fs_name, .. } => fs_name.as_deref(),
            Scope::Service { .. } | Scope::Command { .. } | Scope::Profile(_) => None,
        })
    }
}

impl Grant {
    fn is_allow_all(&self) -> bool {
        matches!(self.scope, Scope::Blanket { access: Access::ANY, .. })
    }
}

/// Only `*`, or an explicit service or command, reaches these: they hold secrets.
const SERVICE_CONFIG_KEY: &str = "config-key";

impl Scope {
    fn allowed(&self, request: &Request<'_>) -> Access {
        match self {
            Self::Blanket { .. } if request.service == SERVICE_CONFIG_KEY => Access::NONE,
            Self::Blanket { access, .. } => *access,
            Self::Service { service, access } if service == request.service => *access,
            Self::Command { command, args } if command == request.command => {
                let matches = |(name, constraint): (&String, &Constraint)| {
                    request.args.get(name).is_some_and(|value| constraint.matches(value))
                };
                if args.iter().all(matches) { Access::ALL } else { Access::NONE }
            }
            Self::Service { .. } | Self::Command { .. } => Access::NONE,
            Self::Profile(name) => profile::expand(name, request.entity)
                .iter()
                .fold(Access::NONE, |access, scope| access | scope.allowed(request)),
        }
    }
}

impl Constraint {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Equal(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Regex(text) => {
                regex_lite::Regex::new(&format!("^(?:{text})$")).is_ok_and(|regex| regex.is_match(value))
            }
        }
    }
}

impl Network {
    /// Whether the address is in it. No address, or a clause that is not `ADDRESS/BITS`, is outside.
    fn contains(&self, addr: Option<IpAddr>) -> bool {
        let inside = || {
            let (base, bits) = self.0.split_once('/')?;
            let bits: u32 = bits.parse().ok()?;
            let base: IpAddr = base.trim_matches(['[', ']']).parse().ok()?;
            Some(match (base, addr?.to_canonical()) {
                (IpAddr::V4(base), IpAddr::V4(addr)) if bits <= 32 => {
                    (base.to_bits() ^ addr.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
                }
                (IpAddr::V6(base), IpAddr::V6(addr)) if bits <= 128 => {
                    (base.to_bits() ^ addr.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
                }
                _ => false,
            })
        };
        inside().unwrap_or(false)
    }
}

impl fmt::Display for MonCap {
    /// The grants in their plainest spelling, which parses to the same grants again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, grant) in self.grants.iter().enumerate() {
            write!(f, "{}{grant}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allow ")?;
        match &self.scope {
            Scope::Blanket { access, .. } => write!(f, "{access}")?,
            Scope::Service { service, access } => write!(f, "service {} {access}", Quoted(service))?,
            Scope::Command { command, args } => {
                write!(f, "command {}", Quoted(command))?;
                for (i, (name, constraint)) in args.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { " with " } else { " " }, Quoted(name))?;
                    match constraint {
                        Constraint::Equal(text) => write!(f, "={}", Quoted(text))?,
                        Constraint::Prefix(text) => write!(f, " prefix {}", Quoted(text))?,
                        Constraint::Regex(text) => write!(f, " regex {}", Quoted(text))?,
                    }
                }
            }
            Scope::Profile(name) => write!(f, "profile {}", Quoted(name))?,
        }
        if let Some(Network(text)) = &self.network {
            write!(f, " network {text}")?;
        }
        if let Scope::Blanket { fs_name: Some(name), .. } = &self.scope {
            write!(f, " fsname={name}")?;
        }
        Ok(())
    }
}

/// A word that is quoted only when it must be.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            text if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => {
                f.write_str(text)
            }
            text if text.contains('"') => write!(f, "'{text}'"),
            text => write!(f, "\"{text}\""),
        }
    }
}

impl Encode for MonCap {
    fn encode(&self, out: &mut Vec<u8>) {
        envelope(out, 4, 4, |out| self.text.encode(out));
    }
}

impl Decode for MonCap {
    /// Text that does not parse gives a capability without grants, as at a stock monitor.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = input.envelope("MonCap", 4, |_, input| String::decode(input))?;
        let grants = parse::grants(&text).unwrap_or_default();
        Ok(Self { text, grants })
    }
    const SIZE_MIN: usize = 10;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(text: &str) -> MonCap {
        text.parse().expect("a valid capability")
    }

    fn allows(text: &str, service: &str, command: &str, args: &[(&str, &str)], need: &str) -> bool {
        allows_from(text, service, command, args, need, None)
    }

    fn allows_from(
        text: &str,
        service: &str,
        command: &str,
        args: &[(&str, &str)],
        need: &str,
        addr: Option<&str>,
    ) -> bool {
        let args = args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        cap(text).allows(&Request {
            entity: &"osd.3".parse().unwrap(),
            service,
            command,
            args: &args,
            need: Access::from_letters(need).unwrap(),
            addr: addr.map(|a| a.parse().unwrap()),
        })
    }

    #[test]
    fn blanket_grants_add_up_and_leave_out_config_key() {
        assert!(allows("allow r", "mon", "", &[], "r"));
        assert!(!allows("allow r", "mon", "", &[], "rw"));
        assert!(allows("allow r, allow w", "mon", "", &[], "rw"));
        assert!(!allows("allow rwx", "config-key", "config-key get", &[], "r"));
        assert!(allows("allow *", "config-key", "config-key get", &[], "r"));
        assert!(allows("allow service config-key rw", "config-key", "config-key set", &[], "rw"));
        assert!(allows("allow command \"config-key get\"", "config-key", "config-key get", &[], "r"));
    }

    #[test]
    fn command_arguments_must_be_present_and_match() {
        let text = "allow command foo with a=1 b prefix x/ c regex \"[0-9]+\"";
        let good = [("a", "1"), ("b", "x/y"), ("c", "42"), ("d", "free")];
        assert!(allows(text, "mon", "foo", &good, "rwx"));
        assert!(!allows(text, "mon", "bar", &good, "r"));
        assert!(!allows(text, "mon", "foo", &good[..2], "r"), "c is missing");
        assert!(!allows(text, "mon", "foo", &[("a", "1"), ("b", "x/y"), ("c", "42 ")], "r"), "whole match");
        assert!(!allows("allow command foo with a regex \"(\"", "mon", "foo", &[("a", "(")], "r"));
    }

    #[test]
    fn networks_confine() {
        let text = "allow * network 10.1.0.0/16";
        assert!(allows_from(text, "mon", "", &[], "rwx", Some("10.1.255.1")));
        assert!(!allows_from(text, "mon", "", &[], "r", Some("10.2.0.1")));
        assert!(!allows_from(text, "mon", "", &[], "r", None));
        assert!(allows_from("allow r network fd00::/8", "mon", "", &[], "r", Some("fd12::1")));
        assert!(!allows_from("allow r network fd00::/8", "mon", "", &[], "r", Some("fe80::1")));
        assert!(allows_from("allow r network 0.0.0.0/0", "mon", "", &[], "r", Some("192.0.2.1")));
        assert!(!allows_from("allow r network 10.1.0.0", "mon", "", &[], "r", Some("10.1.0.0")));
    }

    #[test]
    fn profile_osd_reaches_its_own_keys_only() {
        let own = [("key", "daemon-private/osd.3/x")];
        assert!(allows("allow profile osd", "config-key", "config-key get", &own, "r"));
        let other = [("key", "daemon-private/osd.31/x")];
        assert!(!allows("profile osd", "config-key", "config-key get", &other, "r"));
        assert!(allows("profile osd", "osd", "osd boot", &[], "rwx"));
        assert!(!allows("profile osd", "auth", "auth ls", &[], "r"));
    }

    #[test]
    fn profile_bootstrap_mds_makes_mds_keys_only() {
        let mut args = vec![
            ("entity", "mds.x"),
            ("caps_mon", "allow profile mds"),
            ("caps_osd", "allow rwx"),
            ("caps_mds", "allow"),
        ];
        assert!(allows("profile bootstrap-mds", "auth", "auth get-or-create", &args, "rwx"));
        args[0].1 = "client.x";
        assert!(!allows("profile bootstrap-mds", "auth", "auth get-or-create", &args, "r"));
    }

    #[test]
    fn profile_rbd_may_blocklist_an_instance_but_not_a_host() {
        let add = |addr| [("blocklistop", "add"), ("addr", addr)];
        assert!(allows("profile rbd", "osd", "osd blocklist", &add("10.0.0.1:0/123"), "rw"));
        assert!(!allows("profile rbd", "osd", "osd blocklist", &add("10.0.0.1"), "rw"));
        assert!(allows("profile rbd-read-only", "osd", "", &[], "r"));
        assert!(!allows("profile unheard-of", "mon", "", &[], "r"));
    }

    #[test]
    fn wire_form_keeps_text_that_does_not_parse() {
        let mut bytes = Vec::new();
        envelope(&mut bytes, 4, 4, |out| "allow nonsense".encode(out));
        let cap = MonCap::from_bytes(&bytes).unwrap();
        assert_eq!((cap.text(), cap.grants().len()), ("allow nonsense", 0));
        assert_eq!(cap.to_bytes(), bytes);
    }
}
