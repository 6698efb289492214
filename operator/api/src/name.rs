//! Names: of members, and of the objects that belong to them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A monitor's name: `a` to `z`, `aa` and so on. None is ever used twice in the life of a cluster.
///
/// Names that are not of this form occur, too: a monmap may hold monitors that somebody else added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(String);

/// Text that no monitor can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no name of a monitor: use letters, digits, dots and dashes, 63 at most")]
pub struct BadMemberName(String);

impl MemberName {
    /// The name with this index: 0 is `a`, 25 is `z`, 26 is `aa`.
    pub fn of_index(index: u32) -> Self {
        let mut rest = u64::from(index) + 1;
        let mut letters = Vec::new();
        while rest > 0 {
            rest -= 1;
            // Always below 26.
            letters.push(b'a' + (rest % 26) as u8);
            rest /= 26;
        }
        Self(letters.iter().rev().map(|letter| char::from(*letter)).collect())
    }

    /// The index that has this name; none for a name that we did not give.
    pub fn index(&self) -> Option<u32> {
        let mut index = 0u64;
        for letter in self.0.bytes() {
            if !letter.is_ascii_lowercase() || index > u64::from(u32::MAX) {
                return None;
            }
            index = index * 26 + u64::from(letter - b'a') + 1;
        }
        u32::try_from(index.checked_sub(1)?).ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberName {
    type Err = BadMemberName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        match !text.is_empty() && text.len() <= LENGTH_MAX as usize && text.chars().all(fits) {
            true => Ok(Self(text.into())),
            false => Err(BadMemberName(text.into())),
        }
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for MemberName {
    type Error = BadMemberName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.0
    }
}

impl JsonSchema for MemberName {
    fn schema_name() -> Cow<'static, str> {
        "MemberName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": LENGTH_MAX })
    }
}

const LENGTH_MAX: u32 = 63;

/// How the objects of one cluster are called. Everything that names an object asks here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectNames<'a> {
    /// The MonCluster's name.
    pub cluster: &'a str,
}

impl ObjectNames<'_> {
    /// The member's Service and StatefulSet.
    pub fn member(self, member: &MemberName) -> String {
        format!("{}-mon-{member}", self.cluster)
    }

    /// The member's pod: what a StatefulSet with one replica calls it.
    pub fn pod(self, member: &MemberName) -> String {
        format!("{}-0", self.member(member))
    }

    /// The member's PersistentVolumeClaim. We create it ourselves: a StatefulSet would quietly make an empty one
    /// in the place of one that is lost, under an identity that has voted.
    pub fn claim(self, member: &MemberName) -> String {
        format!("{}-data", self.member(member))
    }

    /// The Service that clients use: members in quorum.
    pub fn client_service(self) -> String {
        format!("{}-mons", self.cluster)
    }

    /// The ConfigMap that clients read: `mon_host`, `fsid`, a ceph.conf.
    pub fn client_config(self) -> String {
        format!("{}-client", self.cluster)
    }

    /// The Secret that clients read: the keyring of client.admin.
    pub fn client_keyring(self) -> String {
        format!("{}-admin-keyring", self.cluster)
    }

    /// The Secret with the key of `mon.`, made once.
    pub fn mon_keyring(self) -> String {
        format!("{}-mon-keyring", self.cluster)
    }

    /// The Secret with the token of the monitors' HTTP endpoint, made once.
    pub fn token(self) -> String {
        format!("{}-mon-token", self.cluster)
    }

    /// The Secret with the authority and the certificate of the monitors' HTTP endpoint.
    pub fn tls(self) -> String {
        format!("{}-mon-tls", self.cluster)
    }

    /// The ConfigMap with the monitors' own configuration.
    pub fn mon_config(self) -> String {
        format!("{}-mon-config", self.cluster)
    }

    /// The PodDisruptionBudget.
    pub fn budget(self) -> String {
        format!("{}-mon", self.cluster)
    }

    /// The NetworkPolicy.
    pub fn network_policy(self) -> String {
        format!("{}-mon", self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_names_are_the_same_thing() {
        for (index, name) in [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (701, "zz"), (702, "aaa")] {
            assert_eq!(MemberName::of_index(index).as_str(), name);
            assert_eq!(name.parse::<MemberName>().unwrap().index(), Some(index));
        }
        for index in (0..10_000).chain([u32::MAX - 1, u32::MAX]) {
            assert_eq!(MemberName::of_index(index).index(), Some(index));
        }
        assert_eq!("zzzzzzzzzzzz".parse::<MemberName>().unwrap().index(), None);
        assert_eq!("node1".parse::<MemberName>().unwrap().index(), None);
        assert!("".parse::<MemberName>().is_err() && "a/b".parse::<MemberName>().is_err());
    }
}
