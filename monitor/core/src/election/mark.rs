//! The mark by which our monitors know each other, and what it tells: one entry in the metadata of election
//! messages, which stock peers carry along and ignore.

use std::collections::BTreeMap;

use mon_types::id::Version;

/// The metadata key.
const KEY: &str = "moncluster";

/// What one of ours says in an election message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// What it has of the log: a candidate that would have to sync first must not win.
    pub(crate) first: Version,
    pub(crate) last: Version,
    /// In a victory: whether every member is one of ours, so that the majority rule holds.
    pub(crate) all_ours: bool,
}

impl Mark {
    pub(crate) fn put(self, metadata: &mut BTreeMap<String, String>) {
        let text = format!("1 {} {} {}", self.first, self.last, u8::from(self.all_ours));
        metadata.insert(KEY.into(), text);
    }

    /// Takes the mark out, so that it is not stored as if it were metadata.
    pub(crate) fn take(metadata: &mut BTreeMap<String, String>) -> Option<Self> {
        let text = metadata.remove(KEY)?;
        let mut words = text.split(' ').map(str::parse::<u64>);
        match (words.next()?, words.next()?, words.next()?, words.next()?) {
            (Ok(1), Ok(first), Ok(last), Ok(all)) => {
                Some(Self { first: Version(first), last: Version(last), all_ours: all == 1 })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_trip_and_nonsense_is_none() {
        let mark = Mark { first: Version(3), last: Version(90), all_ours: true };
        let mut metadata = BTreeMap::from([("hostname".to_owned(), "x".to_owned())]);
        mark.put(&mut metadata);
        assert_eq!(Mark::take(&mut metadata), Some(mark));
        assert_eq!(metadata.len(), 1);
        for junk in ["", "1", "1 2 3", "2 1 1 1", "1 a b c", "1 2 -3 0"] {
            let mut metadata = BTreeMap::from([(KEY.to_owned(), junk.to_owned())]);
            assert_eq!(Mark::take(&mut metadata), None, "{junk:?}");
        }
    }
}
