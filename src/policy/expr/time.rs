//! Timestamps and durations: reading, writing, arithmetic and their parts.
//!
//! Text forms follow the CEL language definition: RFC 3339 for timestamps between the years 1 and
//! 9999, and Go's notation (`1h30m`, `1.5s`, `-250ms`) for durations, which are nanoseconds in 64
//! bits here.

use chrono::{DateTime, Datelike, FixedOffset, SecondsFormat, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

/// Seconds since the epoch of 0001-01-01T00:00:00Z and of 9999-12-31T23:59:59Z.
const EPOCH_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Units of a duration, in nanoseconds; `ms` stands before `m` and `s`.
const UNITS_NS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Longest text of a duration that is read, in bytes.
const DURATION_LIMIT_BYTES: usize = 64;

/// A part of a timestamp or duration, as `getHours()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePart {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// The accessors by their names.
pub const TIME_PARTS: [(&str, TimePart); 10] = [
    ("getFullYear", TimePart::FullYear),
    ("getMonth", TimePart::Month),
    ("getDate", TimePart::Date),
    ("getDayOfMonth", TimePart::DayOfMonth),
    ("getDayOfWeek", TimePart::DayOfWeek),
    ("getDayOfYear", TimePart::DayOfYear),
    ("getHours", TimePart::Hours),
    ("getMinutes", TimePart::Minutes),
    ("getSeconds", TimePart::Seconds),
    ("getMilliseconds", TimePart::Milliseconds),
];

/// A time zone: an IANA name or a fixed offset such as `+02:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Utc,
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// Reads a zone; `None` when there is none of that name.
    pub fn read(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(Self::Named(zone));
        }
        let (sign, rest) = match name.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, name.strip_prefix('+').unwrap_or(name)),
        };
        let (hours, minutes) = rest.split_once(':')?;
        let digits = |text: &str| {
            let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            all.then(|| text.parse::<i32>().ok()).flatten()
        };
        let (hours, minutes) = (digits(hours)?, digits(minutes).filter(|minutes| *minutes < 60)?);
        let seconds = hours.checked_mul(3_600)?.checked_add(minutes * 60)?;
        FixedOffset::east_opt(sign * seconds).map(Self::Fixed)
    }
}

impl TimePart {
    /// Whether durations have it too, as the whole number of that unit they last.
    pub fn of_duration(self, ns: i64) -> Option<i64> {
        match self {
            Self::Hours => Some(ns / 3_600_000_000_000),
            Self::Minutes => Some(ns / 60_000_000_000),
            Self::Seconds => Some(ns / 1_000_000_000),
            Self::Milliseconds => Some(ns / 1_000_000),
            Self::FullYear
            | Self::Month
            | Self::Date
            | Self::DayOfMonth
            | Self::DayOfWeek
            | Self::DayOfYear => None,
        }
    }

    /// Its value in a time zone. Months, days of the month (but not `getDate`), of the week (from
    /// Sunday) and of the year count from 0.
    pub fn of_timestamp(self, at: DateTime<Utc>, zone: Zone) -> i64 {
        match zone {
            Zone::Utc => self.of(&at),
            Zone::Named(zone) => self.of(&at.with_timezone(&zone)),
            Zone::Fixed(offset) => self.of(&at.with_timezone(&offset)),
        }
    }

    fn of(self, at: &(impl Datelike + Timelike)) -> i64 {
        match self {
            Self::FullYear => i64::from(at.year()),
            Self::Month => i64::from(at.month0()),
            Self::Date => i64::from(at.day()),
            Self::DayOfMonth => i64::from(at.day0()),
            Self::DayOfWeek => i64::from(at.weekday().num_days_from_sunday()),
            Self::DayOfYear => i64::from(at.ordinal0()),
            Self::Hours => i64::from(at.hour()),
            Self::Minutes => i64::from(at.minute()),
            Self::Seconds => i64::from(at.second()),
            Self::Milliseconds => i64::from(at.nanosecond() / 1_000_000),
        }
    }
}

/// Reads an RFC 3339 timestamp.
pub fn read_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    in_range(at)
}

/// The timestamp that many seconds after the Unix epoch.
pub fn timestamp_of_seconds(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0).and_then(in_range)
}

/// The timestamp that many milliseconds after the Unix epoch; the epoch itself when that is out of range.
pub fn timestamp_of_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).and_then(in_range).unwrap_or(DateTime::UNIX_EPOCH)
}

fn in_range(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    EPOCH_SECONDS.contains(&at.timestamp()).then_some(at)
}

/// A timestamp moved by nanoseconds; `None` out of range.
pub fn shift(at: DateTime<Utc>, ns: i64) -> Option<DateTime<Utc>> {
    at.checked_add_signed(TimeDelta::nanoseconds(ns)).and_then(in_range)
}

/// Nanoseconds from `earlier` to `later`; `None` beyond 292 years.
pub fn between(later: DateTime<Utc>, earlier: DateTime<Utc>) -> Option<i64> {
    later.signed_duration_since(earlier).num_nanoseconds()
}

/// A timestamp in RFC 3339, with as many decimals as it needs.
pub fn write_timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A duration in seconds with as many decimals as it needs: `1.5s`.
pub fn write_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let (seconds, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let decimals = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", decimals.trim_end_matches('0'))
}

/// Reads a duration in Go's notation: numbers with units, added up. `0` needs no unit.
pub fn read_duration(text: &str) -> Option<i64> {
    if text.len() > DURATION_LIMIT_BYTES {
        return None;
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(number_len)?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_len)?;
        let (_, unit_ns) = UNITS_NS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(read_amount(number, *unit_ns)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// A decimal number of units, in nanoseconds; what is finer is cut off.
fn read_amount(number: &str, unit_ns: i128) -> Option<i128> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && decimals.is_empty()) || decimals.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit_ns)?;
    let mut scale = unit_ns;
    for digit in decimals.chars() {
        scale /= 10;
        total = total.checked_add(scale.checked_mul(i128::from(digit.to_digit(10)?))?)?;
    }
    Some(total)
}
