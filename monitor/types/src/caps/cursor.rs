//! Reading capability text from left to right.

use std::collections::BTreeMap;

use super::{Access, BadCap, Constraint, Network};

/// What is left of the text. A method that gives `None` may have taken a part; [`Cursor::attempt`] gives
/// it back. There is no other way back: like stock, an alternative that went well is never reconsidered.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a str);

impl<'a> Cursor<'a> {
    /// All grants of a text, separated by commas or semicolons.
    pub(super) fn list<T>(
        mut self,
        service: &'static str,
        mut grant: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<Vec<T>, BadCap> {
        let text = self.0;
        let bad = |rest: &str| BadCap { service, text: text.into(), rest: rest.into() };
        let mut grants = Vec::new();
        loop {
            let start = self.0;
            self.spaces();
            grants.push(grant(&mut self).ok_or_else(|| bad(start))?);
            self.spaces();
            if self.0.is_empty() {
                return Ok(grants);
            }
            self.literal(",").or_else(|| self.literal(";")).ok_or_else(|| bad(self.0))?;
        }
    }

    /// `with name=value ...`, pair by pair.
    pub(super) fn arguments(
        &mut self,
        pair: impl Fn(&mut Self) -> Option<(String, Constraint)>,
    ) -> Option<BTreeMap<String, Constraint>> {
        self.attempt(|cursor| {
            cursor.after_spaces("with")?;
            cursor.pairs(pair)
        })
    }

    /// One or more pairs, each after spaces.
    pub(super) fn pairs(
        &mut self,
        pair: impl Fn(&mut Self) -> Option<(String, Constraint)>,
    ) -> Option<BTreeMap<String, Constraint>> {
        let next = |cursor: &mut Self| cursor.spaces().and_then(|()| pair(cursor));
        let mut pairs = BTreeMap::from([self.attempt(next)?]);
        while let Some((name, constraint)) = self.attempt(next) {
            pairs.insert(name, constraint);
        }
        Some(pairs)
    }

    /// `name=value`, `name prefix value` or `name regex value`.
    pub(super) fn pair(&mut self) -> Option<(String, Constraint)> {
        let name = self.word()?;
        if self.literal("=").is_some() {
            return Some((name, Constraint::Equal(self.word()?)));
        }
        self.spaces()?;
        if self.attempt(|cursor| cursor.keyword("prefix")).is_some() {
            return Some((name, Constraint::Prefix(self.word()?)));
        }
        self.keyword("regex")?;
        Some((name, Constraint::Regex(self.word()?)))
    }

    pub(super) fn network(&mut self) -> Option<Network> {
        self.attempt(|cursor| {
            cursor.after_spaces("network")?;
            cursor.spaces()?;
            cursor.run(|c| c.is_ascii_hexdigit() || "/.:[]".contains(c)).map(|text| Network(text.into()))
        })
    }

    /// `*`, `all`, or some of `r`, `w`, `x` in this order.
    pub(super) fn access(&mut self) -> Option<Access> {
        if self.literal("*").or_else(|| self.literal("all")).is_some() {
            return Some(Access::ANY);
        }
        let mut access = Access::NONE;
        for (letter, bit) in [("r", Access::READ), ("w", Access::WRITE), ("x", Access::EXECUTE)] {
            if self.literal(letter).is_some() {
                access |= bit;
            }
        }
        (access != Access::NONE).then_some(access)
    }

    /// `keyword=word` or `keyword word`.
    pub(super) fn named(&mut self, keyword: &str) -> Option<String> {
        self.literal(keyword)?;
        self.equals_or_spaces()?;
        self.word()
    }

    pub(super) fn word(&mut self) -> Option<String> {
        self.quoted().filter(|word| !word.is_empty()).or_else(|| self.bare_word())
    }

    /// Quoted text, which may be empty.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (text, rest) = self.0[1..].split_once(quote)?;
        self.0 = rest;
        Some(text.into())
    }

    pub(super) fn bare_word(&mut self) -> Option<String> {
        self.run(|c| c.is_ascii_alphanumeric() || "_./-".contains(c)).map(Into::into)
    }

    pub(super) fn fs_name(&mut self) -> Option<String> {
        self.run(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)).map(Into::into)
    }

    /// The word, and the spaces that must follow it.
    pub(super) fn keyword(&mut self, word: &str) -> Option<()> {
        self.literal(word)?;
        self.spaces()
    }

    /// The word, after spaces that must come before it.
    pub(super) fn after_spaces(&mut self, word: &str) -> Option<()> {
        self.spaces()?;
        self.literal(word)
    }

    pub(super) fn equals_or_spaces(&mut self) -> Option<()> {
        self.literal("=").or_else(|| self.spaces())
    }

    pub(super) fn spaces(&mut self) -> Option<()> {
        self.run(|c| matches!(c, ' ' | '\n' | '\t')).map(|_| ())
    }

    pub(super) fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The characters up to the first unwanted one, if there are any.
    pub(super) fn run(&mut self, wanted: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!head.is_empty()).then_some(head)
    }

    pub(super) fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = *self;
        let value = parse(self);
        if value.is_none() {
            *self = start;
        }
        value
    }
}
