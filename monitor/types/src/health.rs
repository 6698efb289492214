//! Health checks and mutes, as the health service stores them and peons report them.
//!
//! ```text
//! health_check_t:     ENCODE(2,1){ u8 severity | string summary | list<string> detail | i64 count }
//! health_check_map_t: ENCODE(1,1){ map<string code, health_check_t> }
//! health/<service>:   health_check_map_t
//! health/quorum:      map<i32 rank, health_check_map_t>
//! health/mutes:       map<string code, health_mute_t>
//! health_mute_t:      ENCODE(1,1){ string code | utime ttl | u8 sticky | string summary | i64 count }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::time::UTime;

/// How bad it is; worst first, as Ceph numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// Something is broken.
    Error = 0,
    /// Something needs a look.
    Warning = 1,
    /// All is well.
    Ok = 2,
}

/// One check that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// How bad.
    pub severity: Severity,
    /// One line. In a quorum member's own checks it may hold placeholders (`%plurals%`, `%isorare%`,
    /// `%names%`, `%hasorhave%`) that are filled in when the checks of all members are merged.
    pub summary: String,
    /// One line per thing concerned.
    pub detail: Vec<String>,
    /// How many things are concerned.
    pub count: i64,
}

/// Failing checks by code, such as `MON_DOWN`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct HealthCheckMap(pub BTreeMap<String, HealthCheck>);

/// The value of `health/quorum`: every member's own checks, by rank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct QuorumChecks(pub BTreeMap<i32, HealthCheckMap>);

/// A check that nobody wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct HealthMute {
    /// Which.
    pub code: String,
    /// Until when; all zero for ever.
    pub ttl: UTime,
    /// Stays when the check passes or worsens.
    pub sticky: bool,
    /// The check's summary at the time.
    pub summary: String,
    /// The check's count at the time.
    pub count: i64,
}

/// The value of `health/mutes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct HealthMutes(pub BTreeMap<String, HealthMute>);

impl Severity {
    /// The word in `ceph health`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "HEALTH_ERR",
            Self::Warning => "HEALTH_WARN",
            Self::Ok => "HEALTH_OK",
        }
    }

    /// The worse of the two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.min(other)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl HealthCheckMap {
    /// Adds a check with a count of 1 and gives it for its details to be filled in.
    pub fn add(&mut self, code: &str, severity: Severity, summary: impl Into<String>) -> &mut HealthCheck {
        let check = HealthCheck { severity, summary: summary.into(), detail: Vec::new(), count: 1 };
        self.0.entry(code.into()).insert_entry(check).into_mut()
    }

    /// The worst severity in it.
    #[must_use]
    pub fn status(&self) -> Severity {
        self.0.values().fold(Severity::Ok, |status, check| status.worst(check.severity))
    }

    /// Adds another map's checks: details and counts of the same code add up, the worse severity stays.
    pub fn merge(&mut self, other: &Self) {
        for (code, check) in &other.0 {
            match self.0.get_mut(code) {
                None => {
                    self.0.insert(code.clone(), check.clone());
                }
                Some(ours) => {
                    ours.detail.extend_from_slice(&check.detail);
                    ours.count = ours.count.saturating_add(check.count);
                    ours.severity = ours.severity.worst(check.severity);
                }
            }
        }
    }
}

impl Encode for Severity {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for Severity {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::decode(input)? {
            0 => Self::Error,
            1 => Self::Warning,
            2 => Self::Ok,
            other => return Err(DecodeError::Invalid { what: "health severity", value: other.into() }),
        })
    }
}

impl Encode for HealthCheck {
    fn encode(&self, out: &mut Vec<u8>) {
        crate::encode::envelope(out, 2, 1, |out| {
            self.severity.encode(out);
            self.summary.encode(out);
            self.detail.encode(out);
            self.count.encode(out);
        });
    }
}

impl Decode for HealthCheck {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("health_check_t", 2, |version, input| {
            Ok(Self {
                severity: Decode::decode(input)?,
                summary: Decode::decode(input)?,
                detail: Decode::decode(input)?,
                count: if version >= 2 { Decode::decode(input)? } else { 0 },
            })
        })
    }
    const SIZE_MIN: usize = 15;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_up_and_keeps_the_worst() {
        let mut ours = HealthCheckMap::default();
        ours.add("MON_DISK_LOW", Severity::Warning, "low").detail.push("mon.a".into());
        let mut theirs = HealthCheckMap::default();
        theirs.add("MON_DISK_LOW", Severity::Error, "low").detail.push("mon.b".into());
        theirs.add("MON_DOWN", Severity::Warning, "down");
        assert_eq!(ours.status(), Severity::Warning);
        ours.merge(&theirs);
        assert_eq!(ours.status(), Severity::Error);
        assert_eq!((ours.0["MON_DISK_LOW"].count, ours.0["MON_DISK_LOW"].detail.len()), (2, 2));
        assert_eq!(HealthCheckMap::default().status(), Severity::Ok);
    }
}
