//! Brace expansion: `{rm,-rf,/}` is three words, `r{m..m}` is `rm`.

use super::word::Open;

/// Most words that one word may become.
const ALTERNATIVES_LIMIT: usize = 64;
/// Most characters that they may have together.
const UNITS_LIMIT: usize = 16 * 1024;
/// Most opening braces looked at in one word: matching them is quadratic.
const BRACES_LIMIT: usize = 16;

/// A character of a word, or an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// Unquoted.
    Live(char),
    /// Quoted.
    Fixed(char),
    Open(&'a Open),
}

/// The words that a word's braces spell, or `None` when there are too many to list.
pub(super) fn alternatives<'a>(units: &[Unit<'a>]) -> Option<Vec<Vec<Unit<'a>>>> {
    let braces = units.iter().filter(|unit| matches!(unit, Unit::Live('{'))).count();
    if braces == 0 {
        return Some(vec![units.to_vec()]);
    }
    if braces > BRACES_LIMIT {
        return None;
    }
    // Each pass expands the first brace of each word, so the passes are bounded by the braces.
    let mut words = vec![units.to_vec()];
    for _ in 0..=braces {
        let mut next = Vec::new();
        let mut expanded = false;
        let mut total = 0_usize;
        for word in words {
            match first_brace(&word) {
                Some(brace) => {
                    expanded = true;
                    for choice in &brace.choices {
                        let mut whole = word.get(..brace.start)?.to_vec();
                        whole.extend_from_slice(choice);
                        whole.extend_from_slice(word.get(brace.end..)?);
                        total += whole.len();
                        next.push(whole);
                        if next.len() > ALTERNATIVES_LIMIT || total > UNITS_LIMIT {
                            return None;
                        }
                    }
                }
                None => next.push(word),
            }
        }
        words = next;
        if !expanded {
            return Some(words);
        }
    }
    None
}

struct Brace<'a> {
    start: usize,
    end: usize,
    choices: Vec<Vec<Unit<'a>>>,
}

/// The first brace that expands: one with a comma or a range in it.
fn first_brace<'a>(units: &[Unit<'a>]) -> Option<Brace<'a>> {
    for (start, unit) in units.iter().enumerate() {
        if *unit != Unit::Live('{') {
            continue;
        }
        let Some(found) = brace_at(units, start) else {
            continue;
        };
        return Some(found);
    }
    None
}

fn brace_at<'a>(units: &[Unit<'a>], start: usize) -> Option<Brace<'a>> {
    let mut depth = 0_usize;
    let mut choices = Vec::new();
    let mut choice = Vec::new();
    for (at, unit) in units.iter().enumerate().skip(start + 1) {
        match unit {
            Unit::Live('{') => depth += 1,
            Unit::Live('}') if depth == 0 => {
                if choices.is_empty() {
                    choices = range(&choice)?;
                } else {
                    choices.push(choice);
                }
                return Some(Brace { start, end: at + 1, choices });
            }
            Unit::Live('}') => depth -= 1,
            Unit::Live(',') if depth == 0 => {
                choices.push(std::mem::take(&mut choice));
                continue;
            }
            _ => {}
        }
        choice.push(*unit);
    }
    None
}

/// The values of `a..e` or `1..5`, or of a range too long to list, one more than the limit.
fn range<'a>(units: &[Unit<'a>]) -> Option<Vec<Vec<Unit<'a>>>> {
    let text: String = units
        .iter()
        .map(|unit| match unit {
            Unit::Live(c) => Some(*c),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let (first, rest) = text.split_once("..")?;
    // A step leaves out values; listing all of them errs on the safe side.
    let last = rest.split_once("..").map_or(rest, |(last, _)| last);
    let fixed = |text: String| text.chars().map(Unit::Fixed).collect::<Vec<_>>();
    if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
        let values = first.min(last)..=first.max(last);
        return Some(values.take(ALTERNATIVES_LIMIT + 1).map(|n| fixed(n.to_string())).collect());
    }
    let single = |text: &str| {
        let mut chars = text.chars();
        let c = chars.next().filter(char::is_ascii)?;
        chars.next().is_none().then_some(c)
    };
    let (first, last) = (single(first)?, single(last)?);
    let values = first.min(last)..=first.max(last);
    Some(values.take(ALTERNATIVES_LIMIT + 1).map(|c| fixed(c.to_string())).collect())
}
