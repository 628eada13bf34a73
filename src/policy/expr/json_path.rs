//! `jsonpath(value, "$.items[*].id")`: the values at a JSONPath (RFC 9535), compiled with the rule.
//!
//! Of the language there are names, wildcards, indexes, slices, lists of those in brackets, and
//! descendants (`..`). Filters (`?`) are left to CEL, which has `filter`. A path is text of the rule,
//! so that no text of a call ever becomes one.

use super::EvalErrorKind;
use super::cost::{Budget, Evaluated, fault};
use super::value::{List, Map, Text, Value};

/// Longest path, in bytes.
const PATH_LIMIT_BYTES: usize = 512;

/// Most segments of a path.
const SEGMENTS_LIMIT: usize = 32;

/// Most `..` of a path: each may look at every value below every value.
const DESCENTS_LIMIT: usize = 2;

/// Deepest value that `..` goes down into, in levels; what we read nests less.
const DESCENT_LIMIT_LEVELS: usize = 128;

/// Largest index, as JSON numbers carry it without loss (RFC 9535, section 2.1).
const INDEX_LIMIT: i64 = (1 << 53) - 1;

/// A path, ready to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Box<[Segment]>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// Also from every value below.
    descends: bool,
    selectors: Vec<Selector>,
}

/// What of a value is taken (RFC 9535, section 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Name(Box<str>),
    Wildcard,
    /// From the end when it is negative.
    Index(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
}

/// Why a text is no path: the byte it was seen at, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFault {
    pub message: &'static str,
    pub help: &'static str,
}

/// What is left to be read of a path.
struct Reader<'t> {
    rest: &'t str,
}

const EXAMPLE: &str = "for example \"$.items[*].id\", \"$..price\" or \"$['a name'][0]\"";

fn wrong(message: &'static str) -> PathFault {
    PathFault { message, help: EXAMPLE }
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Text that is no path, or one with what is not supported.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        if text.len() > PATH_LIMIT_BYTES {
            return Err(wrong("this path is too long"));
        }
        let rest = text.strip_prefix('$').ok_or_else(|| wrong("a path begins with `$`"))?;
        let mut reader = Reader { rest };
        let mut segments = Vec::new();
        while !reader.rest.is_empty() {
            segments.push(reader.segment()?);
        }
        let descents = segments.iter().filter(|segment| segment.descends).count();
        if segments.len() > SEGMENTS_LIMIT || descents > DESCENTS_LIMIT {
            return Err(wrong("this path has too many steps"));
        }
        Ok(Self(segments.into()))
    }

    /// The values at the path, in the order of the document; none where nothing is.
    ///
    /// # Errors
    /// An exhausted budget.
    pub fn select<'a>(&self, value: Value<'a>, budget: &mut Budget) -> Evaluated<Vec<Value<'a>>> {
        let mut found = vec![value];
        for segment in &*self.0 {
            let mut next = Vec::new();
            for value in found {
                segment.apply(&value, 0, budget, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }
}

impl Segment {
    /// Recursion ends at [`DESCENT_LIMIT_LEVELS`].
    fn apply<'a>(
        &self,
        value: &Value<'a>,
        level: usize,
        budget: &mut Budget,
        found: &mut Vec<Value<'a>>,
    ) -> Evaluated<()> {
        budget.take(1)?;
        for selector in &self.selectors {
            selector.apply(value, budget, found)?;
        }
        if !self.descends {
            return Ok(());
        }
        if level >= DESCENT_LIMIT_LEVELS {
            return Err(fault(EvalErrorKind::Cost, "the value is nested too deeply"));
        }
        for child in children(value, budget)? {
            self.apply(&child, level + 1, budget, found)?;
        }
        Ok(())
    }
}

impl Selector {
    fn apply<'a>(
        &self,
        value: &Value<'a>,
        budget: &mut Budget,
        found: &mut Vec<Value<'a>>,
    ) -> Evaluated<()> {
        match (self, value) {
            (Self::Name(name), Value::Map(map)) => {
                budget.take(1)?;
                found.extend(map.member(name));
            }
            (Self::Index(index), Value::List(list)) => {
                budget.take(1)?;
                if let Some(at) = place(*index, list.len()) {
                    budget.take(at)?;
                    found.extend(list.get(at));
                }
            }
            (Self::Wildcard, _) => found.extend(children(value, budget)?),
            (Self::Slice { start, end, step }, Value::List(list)) => {
                budget.take(list.len())?;
                let items = list.to_vec();
                let places = slice(*start, *end, *step, items.len());
                found.extend(places.into_iter().filter_map(|at| items.get(at).cloned()));
            }
            // A selector selects nothing of a value of another kind (RFC 9535, section 2.3).
            (Self::Name(_) | Self::Index(_) | Self::Slice { .. }, _) => {}
        }
        Ok(())
    }
}

/// What is directly inside a value.
fn children<'a>(value: &Value<'a>, budget: &mut Budget) -> Evaluated<Vec<Value<'a>>> {
    match value {
        Value::List(list) => {
            budget.take(list.len())?;
            Ok(List::to_vec(list))
        }
        Value::Map(map) => {
            budget.take(map.len())?;
            Ok(Map::entries(map).into_iter().map(|(_, value)| value).collect())
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Double(_)
        | Value::Text(Text::Borrowed(_) | Text::Shared(_))
        | Value::Timestamp(_)
        | Value::Duration(_)
        | Value::Optional(_)
        | Value::Kind(_)
        | Value::Step(_)
        | Value::Command(_)
        | Value::Statement(_)
        | Value::Url(_)
        | Value::Email(_)
        | Value::Ip(_)
        | Value::Cidr(_) => Ok(Vec::new()),
    }
}

/// The place of an index, from the end when it is negative.
fn place(index: i64, len: usize) -> Option<usize> {
    let len_signed = i64::try_from(len).ok()?;
    let at = if index < 0 { len_signed.checked_add(index)? } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// The places of a slice (RFC 9535, section 2.3.4.2.2).
fn slice(start: Option<i64>, end: Option<i64>, step: i64, len: usize) -> Vec<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let normal = |at: i64| if at >= 0 { at } else { len.saturating_add(at) };
    let mut places = Vec::new();
    if step > 0 {
        let mut at = normal(start.unwrap_or(0)).clamp(0, len);
        let upper = normal(end.unwrap_or(len)).clamp(0, len);
        while at < upper {
            places.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    } else if step < 0 {
        let mut at = start.map_or(len - 1, normal).clamp(-1, len - 1);
        let lower = end.map_or(-1, |end| normal(end).clamp(-1, len - 1));
        while at > lower {
            places.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    }
    places
}

impl Reader<'_> {
    fn take(&mut self, start: &str) -> bool {
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn segment(&mut self) -> Result<Segment, PathFault> {
        let descends = self.take("..");
        if self.take("[") {
            return Ok(Segment { descends, selectors: self.bracketed()? });
        }
        if !descends && !self.take(".") {
            return Err(wrong("a step of a path begins with `.` or `[`"));
        }
        let selector =
            if self.take("*") { Selector::Wildcard } else { Selector::Name(self.shorthand()?) };
        Ok(Segment { descends, selectors: vec![selector] })
    }

    /// A name after a dot (RFC 9535, section 2.5.1.1).
    fn shorthand(&mut self) -> Result<Box<str>, PathFault> {
        let named =
            |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || !letter.is_ascii();
        let end = self.rest.find(|letter| !named(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(wrong("a name is missing; one with other characters stands in `['…']`"));
        }
        self.rest = rest;
        Ok(name.into())
    }

    fn bracketed(&mut self) -> Result<Vec<Selector>, PathFault> {
        let mut selectors = Vec::new();
        loop {
            self.blank();
            selectors.push(self.selector()?);
            self.blank();
            if self.take("]") {
                return Ok(selectors);
            }
            if !self.take(",") {
                return Err(wrong("`[` is not closed"));
            }
            if selectors.len() >= SEGMENTS_LIMIT {
                return Err(wrong("this path has too many steps"));
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, PathFault> {
        match self.rest.chars().next() {
            Some('*') => {
                self.take("*");
                Ok(Selector::Wildcard)
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote).map(Selector::Name),
            Some('?') => Err(PathFault {
                message: "filters are not available in a path",
                help: "filter what it gives: `jsonpath(result, \"$.items[*]\").filter(i, i.n > 1)`",
            }),
            Some(_) | None => self.numbers(),
        }
    }

    /// An index, or a slice with up to three numbers.
    fn numbers(&mut self) -> Result<Selector, PathFault> {
        let start = self.number()?;
        self.blank();
        if !self.take(":") {
            return start.map(Selector::Index).ok_or_else(|| wrong("a step is missing in `[…]`"));
        }
        self.blank();
        let end = self.number()?;
        self.blank();
        let step = if self.take(":") {
            self.blank();
            self.number()?.unwrap_or(1)
        } else {
            1
        };
        Ok(Selector::Slice { start, end, step })
    }

    fn number(&mut self) -> Result<Option<i64>, PathFault> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-');
        let (digits, rest) =
            self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or((self.rest, ""));
        if digits.is_empty() {
            return Ok(None);
        }
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let padded = unsigned.len() > 1 && unsigned.starts_with('0') || digits == "-0";
        let number = digits.parse::<i64>().ok().filter(|number| number.abs() <= INDEX_LIMIT);
        match number.filter(|_| !padded) {
            Some(number) => {
                self.rest = rest;
                Ok(Some(number))
            }
            None => Err(wrong("this is not an index")),
        }
    }

    /// A name in quotes, with the escapes that names need.
    fn quoted(&mut self, quote: char) -> Result<Box<str>, PathFault> {
        let mut name = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, escaped)) if escaped == quote || matches!(escaped, '\\' | '/') => {
                        name.push(escaped);
                    }
                    Some((_, 'n')) => name.push('\n'),
                    Some((_, 't')) => name.push('\t'),
                    Some((_, 'r')) => name.push('\r'),
                    Some(_) | None => return Err(wrong("this escape is not available in a name")),
                },
                letter if letter == quote => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(name.into());
                }
                letter if letter.is_control() => {
                    return Err(wrong("a name has no control characters"));
                }
                letter => name.push(letter),
            }
        }
        Err(wrong("a name in quotes is not closed"))
    }
}
