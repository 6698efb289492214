//! The grammar of monitor capabilities.
//!
//! ```text
//! cap      = grant { [" "] (";" | ",") [" "] grant }
//! grant    = "allow" ACCESS [network] ["fsname" eq NAME]
//!          | ["allow"] "profile" eq word [network]
//!          | "allow" "service" eq word ACCESS [network]
//!          | "allow" "command" eq word ["with" pair { pair }] [network]
//! network  = "network" ADDRESS "/" BITS
//! pair     = word ("=" word | "prefix" word | "regex" word)
//! eq       = "=" | spaces
//! word     = "..." | '...' | one or more of A-Z a-z 0-9 _ . / -
//! ACCESS   = "*" | "all" | "r", "w", "x" in this order, one at least
//! ```

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Access, Constraint, Grant, MonCap, Network, Scope};

/// Text that is not a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a mon capability: it makes no sense from '{rest}' on")]
pub struct BadCap {
    /// All of it.
    pub text: String,
    /// From where on it cannot be read.
    pub rest: String,
}

impl FromStr for MonCap {
    type Err = BadCap;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.into(), grants: grants(text)? })
    }
}

pub(super) fn grants(text: &str) -> Result<Vec<Grant>, BadCap> {
    let mut cursor = Cursor(text);
    let mut grants = Vec::new();
    loop {
        let start = cursor.0;
        let Some(grant) = cursor.grant() else {
            return Err(BadCap { text: text.into(), rest: start.into() });
        };
        grants.push(grant);
        if cursor.0.is_empty() {
            return Ok(grants);
        }
        if !cursor.literal(",") && !cursor.literal(";") {
            return Err(BadCap { text: text.into(), rest: cursor.0.into() });
        }
    }
}

/// What is left of the text. Every method either takes its part and says so, or leaves all as it was.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn grant(&mut self) -> Option<Grant> {
        self.spaces();
        let grant = self
            .attempt(Self::blanket)
            .or_else(|| self.attempt(Self::profile))
            .or_else(|| self.attempt(Self::service))
            .or_else(|| self.attempt(Self::command))?;
        self.spaces();
        Some(grant)
    }

    fn blanket(&mut self) -> Option<Grant> {
        self.keyword("allow")?;
        let access = self.access()?;
        let network = self.network();
        let fs_name = self.attempt(|cursor| {
            cursor.after_spaces("fsname")?;
            cursor.equals_or_spaces()?;
            cursor.run(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)).map(Into::into)
        });
        Some(Grant { scope: Scope::Blanket { access, fs_name }, network })
    }

    fn profile(&mut self) -> Option<Grant> {
        self.attempt(|cursor| cursor.keyword("allow"));
        self.literal("profile").then_some(())?;
        self.equals_or_spaces()?;
        let scope = Scope::Profile(self.word()?);
        Some(Grant { scope, network: self.network() })
    }

    fn service(&mut self) -> Option<Grant> {
        self.keyword("allow")?;
        self.literal("service").then_some(())?;
        self.equals_or_spaces()?;
        let service = self.word()?;
        self.spaces().then_some(())?;
        let access = self.access()?;
        Some(Grant { scope: Scope::Service { service, access }, network: self.network() })
    }

    fn command(&mut self) -> Option<Grant> {
        self.keyword("allow")?;
        self.literal("command").then_some(())?;
        self.equals_or_spaces()?;
        let command = self.word()?;
        let args = self.attempt(|cursor| {
            cursor.after_spaces("with")?;
            cursor.spaces().then_some(())?;
            let mut args = BTreeMap::from([cursor.pair()?]);
            while let Some((name, constraint)) =
                cursor.attempt(|cursor| cursor.spaces().then_some(()).and_then(|()| cursor.pair()))
            {
                args.insert(name, constraint);
            }
            Some(args)
        });
        let scope = Scope::Command { command, args: args.unwrap_or_default() };
        Some(Grant { scope, network: self.network() })
    }

    fn pair(&mut self) -> Option<(String, Constraint)> {
        let name = self.word()?;
        if self.literal("=") {
            return Some((name, Constraint::Equal(self.word()?)));
        }
        self.spaces().then_some(())?;
        if self.attempt(|cursor| cursor.keyword("prefix")).is_some() {
            return Some((name, Constraint::Prefix(self.word()?)));
        }
        self.keyword("regex")?;
        Some((name, Constraint::Regex(self.word()?)))
    }

    fn network(&mut self) -> Option<Network> {
        self.attempt(|cursor| {
            cursor.after_spaces("network")?;
            cursor.spaces().then_some(())?;
            cursor.run(|c| c.is_ascii_hexdigit() || "/.:[]".contains(c)).map(|text| Network(text.into()))
        })
    }

    fn access(&mut self) -> Option<Access> {
        if self.literal("*") || self.literal("all") {
            return Some(Access::ANY);
        }
        let mut access = Access::NONE;
        for (letter, bit) in [("r", Access::READ), ("w", Access::WRITE), ("x", Access::EXECUTE)] {
            if self.literal(letter) {
                access |= bit;
            }
        }
        (access != Access::NONE).then_some(access)
    }

    fn word(&mut self) -> Option<String> {
        for quote in ['"', '\''] {
            if let Some(rest) = self.0.strip_prefix(quote) {
                let (word, rest) = rest.split_once(quote)?;
                self.0 = rest;
                return (!word.is_empty()).then(|| word.into());
            }
        }
        self.run(|c| c.is_ascii_alphanumeric() || "_./-".contains(c)).map(Into::into)
    }

    /// The word, and the spaces that must follow it.
    fn keyword(&mut self, word: &str) -> Option<()> {
        (self.literal(word) && self.spaces()).then_some(())
    }

    /// The word, after spaces that must come before it.
    fn after_spaces(&mut self, word: &str) -> Option<()> {
        (self.spaces() && self.literal(word)).then_some(())
    }

    fn equals_or_spaces(&mut self) -> Option<()> {
        (self.literal("=") || self.spaces()).then_some(())
    }

    fn spaces(&mut self) -> bool {
        self.run(|c| matches!(c, ' ' | '\n' | '\t')).is_some()
    }

    fn literal(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// The characters up to the first unwanted one, if there are any.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!head.is_empty()).then_some(head)
    }

    fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = *self;
        let value = parse(self);
        if value.is_none() {
            *self = start;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_stock_monitors_take() {
        for (text, plain) in [
            ("allow rwx", "allow rwx"),
            ("allow r", "allow r"),
            (" allow r ; allow  w", "allow r, allow w"),
            ("allow all", "allow *"),
            ("allow rx", "allow rx"),
            ("allow service=foo x", "allow service foo x"),
            ("allow service 'fo o' rw", "allow service \"fo o\" rw"),
            ("allow command=foo", "allow command foo"),
            ("allow command \"a b\" with x=y z prefix q", "allow command \"a b\" with x=y z prefix q"),
            ("allow command abc with arg regex \"[0-9.]*\"", "allow command abc with arg regex \"[0-9.]*\""),
            ("profile osd", "allow profile osd"),
            ("allow profile=osd", "allow profile osd"),
            ("profile rbd network 1.2.3.4/24", "allow profile rbd network 1.2.3.4/24"),
            ("allow r fsname=a", "allow r fsname=a"),
            ("allow r network ::/0 fsname b", "allow r network ::/0 fsname=b"),
            ("allow r,allow\tservice x w\n", "allow r, allow service x w"),
        ] {
            let cap: MonCap = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(cap.to_string(), plain, "{text}");
            assert_eq!(cap.text(), text);
        }
    }

    #[test]
    fn spellings_that_are_refused() {
        for text in [
            "",
            "allow",
            "allow ",
            "r",
            "allow rr",
            "allow wr",
            "allow foo",
            "allow r allow w",
            "allow r,",
            "allow service foo",
            "allow command",
            "allow command baz x",
            "allow command foo with",
            "allow service 'foo r",
            "allow profile",
            "profile \"\"",
            "allow rwxx",
            "allow r network",
        ] {
            let error = text.parse::<MonCap>().expect_err(text);
            assert_eq!(error.text, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_cap_or_an_error(text in "[ a-z=,;'\"/*0-9.]{0,60}") {
            if let Ok(cap) = text.parse::<MonCap>() {
                let again: MonCap = cap.to_string().parse().unwrap();
                prop_assert_eq!(again.grants(), cap.grants());
            }
        }

        #[test]
        fn printed_grants_parse_to_themselves(
            words in prop::collection::vec("[a-z_./ -]{1,8}", 1..6),
            access in 1u8..8,
        ) {
            let access = ["", "r", "w", "rw", "x", "rx", "wx", "rwx"][usize::from(access)];
            let text: Vec<_> = words
                .iter()
                .map(|w| format!("allow service '{w}' {access}, allow command '{w}' with a='{w}', profile '{w}'"))
                .collect();
            let cap: MonCap = text.join(";").parse().unwrap();
            let again: MonCap = cap.to_string().parse().unwrap();
            prop_assert_eq!(again.grants(), cap.grants());
        }
    }
}
