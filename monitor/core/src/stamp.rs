//! Wall-clock times in the three forms in which Ceph prints them.

use mon_types::time::UTime;

/// `2026-11-22T22:15:49.280177+0000`: most places.
pub(crate) fn text(time: UTime) -> String {
    if time.sec < SHOWN_AS_SECONDS_BELOW {
        return format!("{}.{:06}", time.sec, micros(time));
    }
    format!("{}.{:06}+0000", to_seconds(time), micros(time))
}

/// `2026-11-22T22:15:49.280177Z`: the monmap's times in JSON.
pub(crate) fn zulu(time: UTime) -> String {
    format!("{}.{:06}Z", to_seconds(time), micros(time))
}

/// `2026-11-22T22:15:49:280177+0000`: where Ceph puts a colon before the fraction.
pub(crate) fn coloned(time: UTime) -> String {
    format!("{}:{:06}+0000", to_seconds(time), micros(time))
}

/// Ceph prints times of the first ten years as plain seconds: they are durations or not set.
const SHOWN_AS_SECONDS_BELOW: u32 = 60 * 60 * 24 * 365 * 10;

fn micros(time: UTime) -> u32 {
    time.nsec / 1000
}

fn to_seconds(time: UTime) -> String {
    let (days, rest) = (time.sec / 86_400, time.sec % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The Gregorian date of a day since 1970, counting years from March so that the leap day comes last.
fn civil(days: u32) -> (u32, u32, u32) {
    const DAYS_TO_1970_03_01_FROM_0000: u32 = 719_468;
    let days = days + DAYS_TO_1970_03_01_FROM_0000;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sec: u32) -> UTime {
        UTime { sec, nsec: 280_177_999 }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(text(at(1_795_385_749)), "2026-11-22T22:15:49.280177+0000");
        assert_eq!(zulu(at(951_782_400)), "2000-02-29T00:00:00.280177Z");
        assert_eq!(coloned(at(u32::MAX)), "2106-02-07T06:28:15:280177+0000");
        assert_eq!(text(UTime::default()), "0.000000");
    }
}
