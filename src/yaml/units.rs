//! Lengths of time and sizes as users write them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};

use super::fault::{ScalarFault, parse_scalar};

/// A length of time: `250ms`, `30s`, `15m`, `24h`, `7d`, `1h30m`. Whole numbers, largest unit
/// first, each unit once; a number without a unit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// A number of bytes: `512`, `16KiB`, `1MiB`, `1GiB` (powers of 1024), `10kB`, `1MB` (powers of
/// 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Units of time, largest first, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size in bytes.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl Period {
    /// Parses a length of time.
    ///
    /// # Errors
    /// What is wrong and how it is written.
    pub fn parse(text: &str) -> Result<Self, ScalarFault> {
        let mut rest = text;
        let mut total_ms: u64 = 0;
        let mut units = TIME_UNITS.iter();
        while !rest.is_empty() {
            let (number, unit, behind) = number_and_unit(rest).ok_or_else(|| bad_period(text))?;
            let found = units.by_ref().find(|(name, _)| *name == unit);
            let (_, ms) = found.ok_or_else(|| bad_period(text))?;
            let part = number.checked_mul(*ms);
            total_ms = part
                .and_then(|part| total_ms.checked_add(part))
                .ok_or_else(|| ScalarFault::new(format!("`{text}` is too long")))?;
            rest = behind;
        }
        if text.is_empty() {
            return Err(bad_period(text));
        }
        Ok(Self(Duration::from_millis(total_ms)))
    }
}

impl ByteSize {
    /// Parses a size.
    ///
    /// # Errors
    /// What is wrong and how it is written.
    pub fn parse(text: &str) -> Result<Self, ScalarFault> {
        if let Ok(bytes) = text.parse() {
            return Ok(Self(bytes));
        }
        let (number, unit, behind) = number_and_unit(text).ok_or_else(|| bad_size(text))?;
        let known = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
        let (_, bytes) = known.filter(|_| behind.is_empty()).ok_or_else(|| bad_size(text))?;
        let total = number.checked_mul(*bytes);
        total.map(Self).ok_or_else(|| ScalarFault::new(format!("`{text}` is too large")))
    }
}

/// `30s…` as 30, `s` and what is behind.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at_checked(digits)?;
    let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, behind) = rest.split_at_checked(unit)?;
    Some((number.parse().ok()?, unit, behind))
}

fn bad_period(text: &str) -> ScalarFault {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return ScalarFault::new(format!("expected a length of time with a unit, found `{text}`"))
            .help(format!("did you mean `{text}s`?"));
    }
    let fault = ScalarFault::new(format!("expected a length of time, found `{text}`"));
    let lower: String = text.to_lowercase().split_whitespace().collect();
    let guess = number_and_unit(&lower).and_then(|(number, unit, behind)| {
        let unit = match unit {
            "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return None,
        };
        behind.is_empty().then(|| format!("{number}{unit}"))
    });
    match guess {
        Some(guess) => fault.help(format!("did you mean `{guess}`?")),
        None => fault.help("for example `250ms`, `30s`, `15m`, `1h30m`, `7d`"),
    }
}

fn bad_size(text: &str) -> ScalarFault {
    let fault = ScalarFault::new(format!("expected a size, found `{text}`"));
    let lower: String = text.to_lowercase().split_whitespace().collect();
    let guess = number_and_unit(&lower).and_then(|(number, unit, behind)| {
        let unit = match unit {
            "b" | "byte" | "bytes" => "B",
            "k" | "ki" | "kib" => "KiB",
            "m" | "mi" | "mib" => "MiB",
            "g" | "gi" | "gib" => "GiB",
            "kb" => "kB",
            "mb" => "MB",
            "gb" => "GB",
            _ => return None,
        };
        behind.is_empty().then(|| format!("{number}{unit}"))
    });
    match guess {
        Some(guess) => fault.help(format!("did you mean `{guess}`?")),
        None => fault.help("for example `512`, `16KiB`, `1MiB`"),
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer, Self::parse)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer, Self::parse)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Period")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$",
            "examples": ["250ms", "30s", "15m", "1h30m"]
        })
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ByteSize")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": ["string", "integer"],
            "pattern": "^\\d+(B|KiB|MiB|GiB|kB|KB|MB|GB)?$",
            "examples": ["16KiB", "1MiB"]
        })
    }
}
