//! What people ask of the operator once: an annotation, not a field of the spec.
//!
//! A field would be asked again by whoever applies the spec again. An annotation that no manifest holds is left
//! alone by GitOps tools, and its time makes it one-shot: a request at or before the last one that was taken
//! up is not looked at, and one that is older than [`Request::AGE_MAX`] is refused, so that restoring an old
//! object does nothing.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{MemberName, Moment};

/// `replace:b:2026-11-23T01:02:03Z` or `step-down:2026-11-23T01:02:03Z`, the value of
/// [`crate::label::REQUEST`]. The time is the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// When it was asked.
    pub asked: Moment,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Give this member's place to a new one.
    Replace(MemberName),
    /// Let the leader hand over.
    StepDown,
}

/// Text that asks for nothing we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no request: write replace:MEMBER:TIME or step-down:TIME, with a time like 2026-11-23T01:02:03Z"
)]
pub struct BadRequest(String);

impl Request {
    /// From this age on a request is refused; as far in the future, too.
    pub const AGE_MAX: Duration = Duration::from_secs(600);
}

impl FromStr for Request {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadRequest(text.chars().take(80).collect());
        let (word, rest) = text.split_once(':').ok_or_else(bad)?;
        let (verb, time) = match word {
            "replace" => {
                let (member, time) = rest.split_once(':').ok_or_else(bad)?;
                (Verb::Replace(member.parse().map_err(|_| bad())?), time)
            }
            "step-down" => (Verb::StepDown, rest),
            _ => return Err(bad()),
        };
        Ok(Self { verb, asked: time.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verb {
            Verb::Replace(member) => write!(f, "replace:{member}:{}", self.asked),
            Verb::StepDown => write!(f, "step-down:{}", self.asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for text in ["replace:b:2026-11-23T01:02:03Z", "step-down:2026-11-23T01:02:03Z"] {
            assert_eq!(text.parse::<Request>().unwrap().to_string(), text);
        }
        for text in
            ["", "replace", "replace:b", "replace:b:soon", "remove:b:2026-11-23T01:02:03Z", "step-down:"]
        {
            assert!(text.parse::<Request>().is_err(), "{text}");
        }
    }
}
