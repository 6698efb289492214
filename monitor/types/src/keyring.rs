//! Keyrings in text, as `ceph-authtool` reads and writes them.
//!
//! ```text
//! [client.admin]
//!         key = AQB...==
//!         caps mon = "allow *"
//! ```
//!
//! `#` and `;` start comments. Underscores and spaces in option names are the same. Tools of 16 and 18
//! refuse a whole file when any key in it is of type 2, so a file for them must hold none
//! ([`Keyring::has_aes256k`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::auth::EntityAuth;
use crate::crypto_key::{BadKey, CryptoKey, CryptoKind};
use crate::entity::EntityName;

/// Entities with their keys and capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    /// By name.
    pub entities: BTreeMap<EntityName, EntityAuth>,
}

/// Text that is not a keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("keyring line {line}: {why}")]
pub struct BadKeyring {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub why: BadLine,
}

/// What is wrong with a line. Values are not shown: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// A header without its bracket or with something behind it.
    #[error("a section header must be [TYPE.ID]")]
    Header,
    /// A header that names no entity.
    #[error("'{0}' is not an entity name: use TYPE.ID with a type of auth, mon, osd, mds, mgr or client")]
    Name(String),
    /// Neither header nor `name = value`.
    #[error("expected [TYPE.ID] or NAME = VALUE")]
    NoOption,
    /// An option before the first header.
    #[error("options must come after a [TYPE.ID] header")]
    NoSection,
    /// An option that keyrings do not have.
    #[error("unknown option '{0}': use key or caps SERVICE")]
    UnknownOption(String),
    /// Quotes that are not closed, or something behind them.
    #[error("the quoted value does not end at the end of the line")]
    Quotes,
    /// A value that is no key.
    #[error(transparent)]
    Key(#[from] BadKey),
}

impl Keyring {
    /// A keyring of one entity.
    #[must_use]
    pub fn of(name: EntityName, auth: EntityAuth) -> Self {
        Self { entities: BTreeMap::from([(name, auth)]) }
    }

    /// The key of an entity.
    #[must_use]
    pub fn key_of(&self, name: &EntityName) -> Option<&CryptoKey> {
        self.entities.get(name).map(|auth| &auth.key)
    }

    /// Whether a key in it is of a type that tools of 16 and 18 stumble over.
    #[must_use]
    pub fn has_aes256k(&self) -> bool {
        self.entities.values().any(|auth| auth.key.kind() == CryptoKind::Aes256k)
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for (name, auth) in &self.entities {
            push_entity(&mut text, name, auth);
        }
        text
    }
}

/// Writing to a string cannot fail.
fn push_entity(text: &mut String, name: &EntityName, auth: &EntityAuth) {
    let _ = writeln!(text, "[{name}]");
    let _ = writeln!(text, "\tkey = {}", auth.key.to_base64().as_str());
    if let Some(pending) = auth.pending() {
        let _ = writeln!(text, "\tpending key = {}", pending.to_base64().as_str());
    }
    for (service, cap) in auth.caps_text() {
        let _ = writeln!(text, "\tcaps {service} = \"{}\"", cap.replace('\\', "\\\\").replace('"', "\\\""));
    }
}

impl FromStr for Keyring {
    type Err = BadKeyring;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keyring = Self::default();
        let mut section: Option<EntityName> = None;
        for (i, line) in text.lines().enumerate() {
            let bad = |why| BadKeyring { line: i + 1, why };
            match line.trim() {
                blank if blank.is_empty() || blank.starts_with(['#', ';']) => {}
                header if header.starts_with('[') => {
                    let name = parse_header(header).map_err(bad)?;
                    keyring.entities.entry(name.clone()).or_default();
                    section = Some(name);
                }
                option => {
                    let (name, value) = parse_option(option).map_err(bad)?;
                    let auth = section.as_ref().and_then(|section| keyring.entities.get_mut(section));
                    set_option(auth.ok_or_else(|| bad(BadLine::NoSection))?, &name, &value).map_err(bad)?;
                }
            }
        }
        Ok(keyring)
    }
}

fn parse_header(line: &str) -> Result<EntityName, BadLine> {
    let (name, rest) = line[1..].split_once(']').ok_or(BadLine::Header)?;
    if !is_blank(rest) {
        return Err(BadLine::Header);
    }
    name.trim().parse().map_err(|_| BadLine::Name(name.trim().into()))
}

/// Gives the name with single spaces and the value without quotes.
fn parse_option(line: &str) -> Result<(String, Zeroizing<String>), BadLine> {
    let (name, value) = line.split_once('=').ok_or(BadLine::NoOption)?;
    let name = name.split([' ', '\t', '_']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => unquote(&value[1..], quote).ok_or(BadLine::Quotes)?,
        _ => Zeroizing::new(value.split(['#', ';']).next().unwrap_or_default().trim_end().into()),
    };
    Ok((name, value))
}

fn unquote(text: &str, quote: char) -> Option<Zeroizing<String>> {
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '\\' => value.push(chars.next()?),
            end if end == quote => return is_blank(chars.as_str()).then_some(value),
            other => value.push(other),
        }
    }
}

fn is_blank(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with(['#', ';'])
}

fn set_option(auth: &mut EntityAuth, name: &str, value: &str) -> Result<(), BadLine> {
    match name {
        "key" => auth.key = value.parse()?,
        "pending key" => auth.pending_key = Some(value.parse()?),
        // Long without meaning, still found in old files.
        "auid" => {}
        _ => match name.strip_prefix("caps ") {
            Some(service) => auth.set_caps(service, value),
            None => return Err(BadLine::UnknownOption(name.into())),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::EntityType;
    use crate::time::UTime;
    use proptest::prelude::*;

    /// As ceph-authtool 16.2.15 writes it.
    const STOCK: &str = "[client.x]\n\tkey = AQDvbANrTreaMBAAKmzhlJwjHKNa8vag55SmeA==\n\
        \tcaps mon = \"allow command \\\"a b\\\" with x=y\"\n\tcaps osd = \"allow *\"\n";

    #[test]
    fn stock_text_reads_and_writes_back() {
        let keyring: Keyring = STOCK.parse().unwrap();
        let auth = &keyring.entities[&"client.x".parse().unwrap()];
        assert_eq!(auth.caps_for(EntityType::Mon).as_deref(), Some("allow command \"a b\" with x=y"));
        assert_eq!(auth.key.created().sec, 0x6b03_6cef);
        assert_eq!(keyring.to_text().as_str(), STOCK);
        assert!(!keyring.has_aes256k());
    }

    /// As `ceph auth export` of 18.2.7 prints it during a rotation.
    const PENDING: &str = "[client.x]\n\tkey = AQDZcANrR2UlIRAAbFEBY5nVRGRi5OLCypITEA==\n\
        \tpending key = AQDacANrYKDzBRAAgHG16fm90pUojQQ2MuWA8g==\n\tcaps mon = \"allow rw\"\n";

    #[test]
    fn pending_keys_are_part_of_the_text() {
        let keyring: Keyring = PENDING.parse().unwrap();
        assert!(keyring.entities[&"client.x".parse().unwrap()].pending().is_some());
        assert_eq!(keyring.to_text().as_str(), PENDING);
    }

    #[test]
    fn spellings() {
        let text = "# top\n[ client.x ] ; why\nkey=AQDvbANrTreaMBAAKmzhlJwjHKNa8vag55SmeA==  # mine\n\
            caps_mon = allow r ; no more\n  auid = 18446744073709551615\n; end\n[mon.]\n";
        let keyring: Keyring = text.parse().unwrap();
        assert_eq!(
            keyring.entities[&"client.x".parse().unwrap()].caps_for(EntityType::Mon).as_deref(),
            Some("allow r")
        );
        assert!(keyring.key_of(&EntityName::mon()).unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_line_and_no_secret() {
        for (text, line, start) in [
            ("[client.x]\nkey = AQD\n", 2, "key"),
            ("\nkey = AQ==\n", 2, "options"),
            ("[client.x\n", 1, "a section"),
            ("[x]\n", 1, "'x' is not"),
            ("[mon.]\n\nnonsense\n", 3, "expected"),
            ("[mon.]\ncolour = red\n", 2, "unknown option 'colour'"),
            ("[mon.]\ncaps mon = \"allow\n", 2, "the quoted"),
        ] {
            let error = text.parse::<Keyring>().unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.why.to_string().starts_with(start), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_gives_back_what_it_was_made_from(
            entries in prop::collection::btree_map("[a-z.-]{0,8}", (any::<[u8; 16]>(), "[ -~]{0,20}"), 0..4),
        ) {
            let mut keyring = Keyring::default();
            for (id, (secret, cap)) in entries {
                let mut auth =
                    EntityAuth { key: CryptoKey::aes(UTime::default(), secret), ..EntityAuth::default() };
                auth.set_caps("mon", &cap);
                keyring.entities.insert(EntityName::new(EntityType::Client, id), auth);
            }
            prop_assert_eq!(keyring.to_text().parse(), Ok(keyring));
        }

        #[test]
        fn any_text_gives_a_keyring_or_an_error(text in "[\\[\\]a-z =\"\\\\#;.\n]{0,80}") {
            let _ = text.parse::<Keyring>();
        }
    }
}
