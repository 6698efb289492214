//! What a command looks like: its words and its parameters.
//!
//! ```text
//! config-key set name=key,type=CephString name=val,type=CephString,req=false
//! \---words----/ \-------parameter------/ \------------parameter-----------/
//! ```
//! Signatures are interface data: the stock CLI parses its command line by them, so the text is kept as the
//! stock monitor of each release has it (`MonCommands.h`), slips included, and shown word for word.

use std::collections::BTreeMap;

/// A command's words and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The text that it was read from.
    pub text: String,
    /// The words that name the command.
    pub words: Vec<String>,
    /// What follows them.
    pub params: Vec<Param>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its key in the command's JSON.
    pub name: String,
    /// What it may hold.
    pub kind: Kind,
    /// Whether the command needs it.
    pub required: bool,
    /// Whether it is a list.
    pub repeated: bool,
    /// The allowed texts, for [`Kind::Choices`].
    pub choices: Vec<String>,
    /// The allowed numbers.
    pub range: Option<Range>,
    /// The allowed characters, as a bracket expression such as `[A-Za-z0-9-_.]`.
    pub goodchars: Option<String>,
    /// Whether the command line may give it without its name.
    pub positional: bool,
    /// The attributes as written.
    pub attributes: BTreeMap<String, String>,
}

/// The types of Ceph's command line (`ceph_argparse.py`), of which the monitor tells four apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer.
    Int,
    /// A number.
    Float,
    /// Yes or no.
    Bool,
    /// One of a list of texts.
    Choices,
    /// Text; names, addresses and ids are read by whoever serves the command.
    Text,
}

/// Bounds of a number, both inclusive. Ceph's bounds are far below the 2^53 that `f64` holds exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: Option<f64>,
}

impl Eq for Range {}

impl Signature {
    /// Reads a signature; none when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        let mut params = Vec::new();
        let mut positional = true;
        for part in text.split_ascii_whitespace() {
            if part == "--" {
                positional = false;
            } else if part.contains(['=', ',']) {
                params.push(Param::parse(part, positional)?);
            } else {
                words.push(part.to_owned());
            }
        }
        (!words.is_empty()).then(|| Self { text: text.to_owned(), words, params })
    }

    /// The words, joined: the `prefix` of the command's JSON.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.words.join(" ")
    }
}

impl Param {
    fn parse(text: &str, positional: bool) -> Option<Self> {
        // A repeated attribute is overwritten by the later one, except for the name; stock shows the
        // signatures in which that happens ("req=falsename=crimson") the same way.
        let mut attributes = BTreeMap::new();
        for attribute in text.split(',').filter(|attribute| !attribute.is_empty()) {
            let (key, value) = attribute.split_once('=')?;
            attributes.insert(key.to_owned(), value.to_owned());
        }
        let range = match attributes.get("range") {
            None => None,
            Some(range) => Some(Range::parse(range)?),
        };
        let strings = attributes.get("strings");
        Some(Self {
            name: attributes.get("name")?.clone(),
            kind: Kind::parse(attributes.get("type")?)?,
            required: attributes.get("req").is_none_or(|req| req.eq_ignore_ascii_case("true")),
            repeated: attributes.get("n").is_some_and(|n| n == "N"),
            choices: strings.map(|all| all.split('|').map(str::to_owned).collect()).unwrap_or_default(),
            range,
            goodchars: attributes.get("goodchars").cloned(),
            positional,
            attributes,
        })
    }

    /// Whether all of `text` is among the allowed characters.
    #[must_use]
    pub fn allows_characters(&self, text: &str) -> bool {
        self.goodchars.as_deref().is_none_or(|class| text.chars().all(|c| class_contains(class, c)))
    }
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "CephInt" => Self::Int,
            "CephFloat" => Self::Float,
            "CephBool" => Self::Bool,
            "CephChoices" => Self::Choices,
            "CephString" | "CephUUID" | "CephIPAddr" | "CephEntityAddr" | "CephName" | "CephOsdName"
            | "CephPgid" | "CephPoolname" | "CephObjectname" => Self::Text,
            _ => return None,
        })
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (low, high) = match text.split_once('|') {
            None => (text, None),
            Some((low, high)) => (low, Some(high.parse().ok()?)),
        };
        Some(Self { low: low.parse().ok()?, high })
    }

    /// Whether `number` is within.
    #[must_use]
    pub fn contains(self, number: f64) -> bool {
        number >= self.low && self.high.is_none_or(|high| number <= high)
    }
}

/// Membership in a bracket expression; `a-z` is a range only between letters or digits, as in `[0-9-_.]`.
fn class_contains(class: &str, wanted: char) -> bool {
    let mut rest = class.trim_start_matches('[').trim_end_matches(']').chars().peekable();
    while let Some(low) = rest.next() {
        if low.is_ascii_alphanumeric() && rest.peek() == Some(&'-') {
            rest.next();
            if let Some(high) = rest.next()
                && (low..=high).contains(&wanted)
            {
                return true;
            }
        } else if low == wanted {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_parameters_are_told_apart() {
        let text = "auth add name=entity,type=CephString name=caps,type=CephString,n=N,req=false -- \
                    name=key_type,type=CephString,req=False";
        let signature = Signature::parse(text).unwrap();
        assert_eq!(signature.prefix(), "auth add");
        let shape: Vec<_> = signature
            .params
            .iter()
            .map(|p| (p.name.as_str(), p.required, p.repeated, p.positional))
            .collect();
        assert_eq!(
            shape,
            [("entity", true, false, true), ("caps", false, true, true), ("key_type", false, false, false)]
        );
    }

    #[test]
    fn ranges_choices_and_characters_are_read() {
        let signature = Signature::parse(
            "x name=w,type=CephInt,range=0|65535 name=f,type=CephFloat,range=0.0 \
             name=c,type=CephChoices,strings=on|off name=s,type=CephString,goodchars=[A-Za-z0-9-_.=]",
        )
        .unwrap();
        let [weight, ratio, choice, text] = signature.params.as_slice() else { panic!("four parameters") };
        assert!(weight.range.unwrap().contains(65535.0) && !weight.range.unwrap().contains(65536.0));
        assert!(ratio.range.unwrap().contains(1e9) && !ratio.range.unwrap().contains(-0.1));
        assert_eq!(choice.choices, ["on", "off"]);
        assert!(text.allows_characters("rack=r-1_a.B") && !text.allows_characters("a b"));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for text in
            ["", "name=x,type=CephString", "a type=CephInt", "a name=x", "a name=x,type=Other", "a ,b"]
        {
            assert_eq!(Signature::parse(text), None, "{text}");
        }
    }
}
