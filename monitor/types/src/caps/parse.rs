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

use std::str::FromStr;

use super::cursor::Cursor;
use super::{BadCap, Grant, MonCap, Scope};

impl FromStr for MonCap {
    type Err = BadCap;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.into(), grants: grants(text)? })
    }
}

pub(super) fn grants(text: &str) -> Result<Vec<Grant>, BadCap> {
    Cursor(text).list("mon", grant)
}

fn grant(cursor: &mut Cursor<'_>) -> Option<Grant> {
    cursor
        .attempt(blanket)
        .or_else(|| cursor.attempt(profile))
        .or_else(|| cursor.attempt(service))
        .or_else(|| cursor.attempt(command))
}

fn blanket(cursor: &mut Cursor<'_>) -> Option<Grant> {
    cursor.keyword("allow")?;
    let access = cursor.access()?;
    let network = cursor.network();
    let fs_name = cursor.attempt(|cursor| {
        cursor.after_spaces("fsname")?;
        cursor.equals_or_spaces()?;
        cursor.fs_name()
    });
    Some(Grant { scope: Scope::Blanket { access, fs_name }, network })
}

fn profile(cursor: &mut Cursor<'_>) -> Option<Grant> {
    cursor.attempt(|cursor| cursor.keyword("allow"));
    let scope = Scope::Profile(cursor.named("profile")?);
    Some(Grant { scope, network: cursor.network() })
}

fn service(cursor: &mut Cursor<'_>) -> Option<Grant> {
    cursor.keyword("allow")?;
    let service = cursor.named("service")?;
    cursor.spaces()?;
    let access = cursor.access()?;
    Some(Grant { scope: Scope::Service { service, access }, network: cursor.network() })
}

fn command(cursor: &mut Cursor<'_>) -> Option<Grant> {
    cursor.keyword("allow")?;
    let command = cursor.named("command")?;
    let args = cursor.arguments(Cursor::pair).unwrap_or_default();
    Some(Grant { scope: Scope::Command { command, args }, network: cursor.network() })
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
