//! What a plain scalar means: the core schema of YAML 1.2.2 (section 10.3.2), without infinities
//! and not-a-number, which JSON does not have. `yes`, `on` and the like are text.

use super::node::{Kind, Node, Style};

/// A scalar's meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    UInt(u64),
    Float(f64),
    /// Looks like a number but is none that fits.
    NotANumber(&'a str),
    Text(&'a str),
}

/// What the scalar means, or `None` for a list or mapping.
pub(super) fn meaning(node: &Node) -> Option<Meaning<'_>> {
    let Kind::Scalar { value, style } = &node.kind else {
        return None;
    };
    Some(match style {
        Style::Plain => plain(value),
        Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded => {
            Meaning::Text(value)
        }
    })
}

fn plain(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ => number(text).unwrap_or(Meaning::Text(text)),
    }
}

fn number(text: &str) -> Option<Meaning<'_>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Some(Meaning::NotANumber(text));
    }
    if let Some(meaning) = radix(text, "0x", 16).or_else(|| radix(text, "0o", 8)) {
        return Some(meaning);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let decimal = text.strip_prefix('+').unwrap_or(text);
        return Some(match (decimal.parse::<i64>(), decimal.parse::<u64>()) {
            (Ok(value), _) => Meaning::Int(value),
            (Err(_), Ok(value)) => Meaning::UInt(value),
            (Err(_), Err(_)) => Meaning::NotANumber(text),
        });
    }
    if !is_float(unsigned) {
        return None;
    }
    Some(match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Meaning::Float(value),
        Ok(_) | Err(_) => Meaning::NotANumber(text),
    })
}

fn radix<'a>(text: &'a str, prefix: &str, radix: u32) -> Option<Meaning<'a>> {
    let digits = text.strip_prefix(prefix)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(match u64::from_str_radix(digits, radix) {
        Ok(value) => i64::try_from(value).map_or(Meaning::UInt(value), Meaning::Int),
        Err(_) => Meaning::NotANumber(text),
    })
}

/// `[0-9]* ( . [0-9]* )? ( [eE] [-+]? [0-9]+ )?` with a digit before the exponent.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_holds = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_holds
}
