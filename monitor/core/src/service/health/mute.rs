//! Muting checks.

use std::time::Duration;

use mon_types::health::{HealthCheckMap, HealthMute, HealthMutes};
use mon_types::time::UTime;

use super::HealthService;
use crate::effect::CommandReply;
use crate::operation::{Command, Errno, Prepared};
use crate::service::Around;

pub(super) fn prepare(
    service: &mut HealthService,
    around: &Around<'_>,
    checks: &HealthCheckMap,
    command: &Command,
) -> Prepared {
    let mut pending = service.current();
    let before = pending.mutes.clone();
    let code = command.arguments.text("code");
    if command.prefix == "health unmute" {
        match code {
            Some(code) => drop(pending.mutes.0.remove(code)),
            None => pending.mutes.0.clear(),
        }
    } else {
        let code = code.unwrap_or_default();
        let sticky = command.arguments.switch("sticky");
        let ttl = match command.arguments.text("ttl").map(duration) {
            None => UTime::default(),
            Some(Some(ttl)) => UTime::from_duration(around.now.wall.to_duration() + ttl),
            Some(None) => {
                let text = "the time to live must be a number with s, m, h, d or w behind it";
                return Prepared::unchanged(CommandReply::refused(Errno::EINVAL, text));
            }
        };
        let check = checks.0.get(code);
        if check.is_none() && !sticky {
            let text = format!("health alert {code} is not currently raised: add --sticky to mute it anyway");
            return Prepared::unchanged(CommandReply::refused(Errno::ENOENT, text));
        }
        let (summary, count) = check.map(|check| (check.summary.clone(), check.count)).unwrap_or_default();
        pending.mutes.0.insert(code.into(), HealthMute { code: code.into(), ttl, sticky, summary, count });
    }
    if pending.mutes == before {
        return Prepared::unchanged(CommandReply::default());
    }
    service.pending = Some(pending);
    Prepared::changed(CommandReply::default())
}

/// Ends mutes whose time is over, and those that are not sticky of checks that passed or got worse.
pub(super) fn expire(mutes: &mut HealthMutes, checks: &HealthCheckMap, wall: UTime) {
    mutes.0.retain(|code, mute| {
        let over = !mute.ttl.is_zero() && mute.ttl <= wall;
        let moved_on = checks.0.get(code).is_none_or(|check| check.count > mute.count);
        !over && (mute.sticky || !moved_on)
    });
}

/// Reads `90`, `30s`, `5m`, `1h`, `2d`, `1w`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let seconds = match text[digits..].trim() {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" | "hr" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_have_units() {
        assert_eq!(duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        for bad in ["", "h", "junk", "1y", "99999999999999999999w"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
