//! Changing values inside a JSON text and leaving every other byte as it stands: numbers keep their
//! digits, strings their escapes, objects their order and blanks.
//!
//! The text must have been read by [`Document::parse`] before: what is walked here is known to be
//! JSON, and nested no deeper than that allows.
//!
//! [`Document::parse`]: crate::json::Document::parse

mod place;

use std::borrow::Cow;
use std::ops::Range;

pub use place::{elements, place, place_in, sieve, without};

/// Nested arrays and objects that are walked; the reader allows no more.
const DEPTH_LIMIT: usize = 128;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'t> {
    /// A member's name, decoded.
    Member(Cow<'t, str>),
    /// An element of an array.
    Element,
}

/// A value that is walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'t> {
    /// With its quotes, as it is written.
    Text(&'t str),
    /// As it is written.
    Number(&'t str),
    /// `true`, `false` or `null`.
    Word(&'t str),
    Array,
    Object,
}

/// Walks over every value of a text, outer ones before those inside them. What `change` gives for a
/// value, as JSON, takes its place; nothing inside it is walked then. `None` when nothing changed.
pub fn rewrite(
    text: &str,
    change: &mut dyn FnMut(&[Step<'_>], Found<'_>) -> Option<String>,
) -> Option<String> {
    let mut walk =
        Walk { text, at: 0, path: Vec::new(), change, out: String::new(), copied: 0, edits: 0 };
    walk.value();
    if walk.edits == 0 {
        return None;
    }
    let rest = text.get(walk.copied..).unwrap_or_default();
    walk.out.push_str(rest);
    Some(walk.out)
}

/// Gives a member of nested objects another value, and adds it to the innermost one when it is not
/// there. `None` when an object on the way is not there.
pub fn assign(text: &str, path: &[impl AsRef<str>], json: &str) -> Option<String> {
    let (last, parents) = path.split_last()?;
    let last = last.as_ref();
    let mut range = 0..text.len();
    for name in parents {
        range = member(text, range, name.as_ref()).0?;
    }
    let (found, end) = member(text, range, last);
    let mut out = String::with_capacity(text.len().saturating_add(json.len()));
    let (range, added) = match (found, end) {
        (Some(range), _) => (range, String::new()),
        (None, None) => return None,
        (None, Some((end, is_empty))) => {
            let comma = if is_empty { "" } else { "," };
            (end..end, format!("{comma}{}:", quoted(last)))
        }
    };
    out.push_str(text.get(..range.start)?);
    out.push_str(&added);
    out.push_str(json);
    out.push_str(text.get(range.end..)?);
    Some(out)
}

/// A member of nested objects as it is written, if it is there.
pub fn find<'t>(text: &'t str, path: &[&str]) -> Option<&'t str> {
    let mut range = 0..text.len();
    for name in path {
        range = member(text, range, name).0?;
    }
    text.get(range)
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    // A string always has a JSON form.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The text of a JSON string, given with its quotes.
pub fn unquoted(json: &str) -> Cow<'_, str> {
    let inside = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    if inside.contains('\\') {
        return serde_json::from_str(json).map_or(Cow::Borrowed(inside), Cow::Owned);
    }
    Cow::Borrowed(inside)
}

/// Where the value of a member of the object at `range` stands; else where a new member goes, and
/// whether the object is empty. Neither when there is no object.
fn member(
    text: &str,
    range: Range<usize>,
    name: &str,
) -> (Option<Range<usize>>, Option<(usize, bool)>) {
    let mut reader = Reader { text, at: range.start };
    if !reader.takes(b'{') {
        return (None, None);
    }
    let mut is_empty = true;
    while reader.peek() == Some(b'"') {
        is_empty = false;
        let key = reader.string();
        reader.takes(b':');
        let value = reader.skip_value();
        if unquoted(key) == name {
            return (Some(value), None);
        }
        reader.takes(b',');
    }
    // Before the blanks that stand before the brace would do as well; a brace is easy to see.
    (None, reader.peek().map(|_| (reader.at, is_empty)))
}

/// Reads a text token by token.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        let blanks = blanks.count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    fn takes(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// The string that begins here, with its quotes.
    fn string(&mut self) -> &'t str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(found) =
            bytes.get(self.at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            self.at += found;
            if bytes.get(self.at) == Some(&b'"') {
                self.at += 1;
                return self.text.get(start..self.at).unwrap_or_default();
            }
            self.at += 2;
        }
        self.at = bytes.len();
        self.text.get(start..).unwrap_or_default()
    }

    /// The number or word that begins here.
    fn scalar(&mut self) -> &'t str {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let inside = |byte: &&u8| {
            !matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t' | b'"')
        };
        // At least one byte, so that a walk always ends.
        self.at += rest.iter().take_while(inside).count().max(1);
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Where the value that begins here stands.
    fn skip_value(&mut self) -> Range<usize> {
        self.peek();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => {
                    self.scalar();
                }
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at
    }
}

struct Walk<'t, 'c> {
    text: &'t str,
    at: usize,
    path: Vec<Step<'t>>,
    change: &'c mut dyn FnMut(&[Step<'_>], Found<'_>) -> Option<String>,
    out: String,
    /// How much of the text is in `out`.
    copied: usize,
    edits: usize,
}

impl<'t> Walk<'t, '_> {
    /// Recursion is bounded by [`DEPTH_LIMIT`], which the reader of the text stays below.
    fn value(&mut self) {
        let mut reader = Reader { text: self.text, at: self.at };
        let Some(first) = reader.peek() else { return };
        let start = reader.at;
        let found = match first {
            b'"' => Found::Text(reader.string()),
            b'{' => Found::Object,
            b'[' => Found::Array,
            b't' | b'f' | b'n' => Found::Word(reader.scalar()),
            _ => Found::Number(reader.scalar()),
        };
        self.at = reader.at;
        if let Some(json) = (self.change)(&self.path, found) {
            let range = match found {
                Found::Array | Found::Object => reader.skip_value(),
                Found::Text(_) | Found::Number(_) | Found::Word(_) => start..reader.at,
            };
            self.out.push_str(self.text.get(self.copied..range.start).unwrap_or_default());
            self.out.push_str(&json);
            self.copied = range.end;
            self.at = range.end;
            self.edits += 1;
            return;
        }
        match found {
            Found::Object => self.inside(b'}'),
            Found::Array => self.inside(b']'),
            Found::Text(_) | Found::Number(_) | Found::Word(_) => {}
        }
    }

    fn inside(&mut self, closing: u8) {
        self.at += 1;
        if self.path.len() >= DEPTH_LIMIT {
            self.at = self.text.len();
            return;
        }
        loop {
            let mut reader = Reader { text: self.text, at: self.at };
            if reader.peek().is_none_or(|byte| byte == closing) {
                self.at = reader.at + 1;
                return;
            }
            if closing == b'}' {
                let name = unquoted(reader.string());
                reader.takes(b':');
                self.path.push(Step::Member(name));
            } else {
                self.path.push(Step::Element);
            }
            self.at = reader.at;
            self.value();
            self.path.pop();
            let mut reader = Reader { text: self.text, at: self.at };
            reader.takes(b',');
            self.at = reader.at;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Found, Step, assign, find, rewrite};

    fn path(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let text = " { \"big\" : 12345678901234567890123 ,\"f\":98.0, \"e\":1E+2,\n\"s\":\"\\u0041\\/\",\
                    \"x\":[ 1 , {\"y\" :null}, [] , {}, \"no\" ] } ";
        let mut seen = Vec::new();
        let same = rewrite(text, &mut |path, found| {
            seen.push((path.len(), format!("{found:?}")));
            None
        });
        assert_eq!(same, None);
        assert_eq!(seen.len(), 12, "{seen:?}");
        let changed = rewrite(text, &mut |path, found| {
            let wanted = [Step::Member("x".into()), Step::Element, Step::Member("y".into())];
            (path == wanted && found == Found::Word("null")).then(|| "[1]".to_owned())
        });
        assert_eq!(changed, Some(text.replace("null", "[1]")));
        let whole = rewrite(text, &mut |path, found| {
            (path.len() == 1 && found == Found::Array).then(|| "0".to_owned())
        });
        let expected = text.replace("[ 1 , {\"y\" :null}, [] , {}, \"no\" ]", "0");
        assert_eq!(whole, Some(expected));
    }

    #[test]
    fn names_are_read_as_they_are_meant() {
        let text = r#"{"\u0061\"b":1,"c":2}"#;
        let changed = rewrite(text, &mut |path, _| {
            (path == [Step::Member("a\"b".into())]).then(|| "9".to_owned())
        });
        assert_eq!(changed.as_deref(), Some(r#"{"\u0061\"b":9,"c":2}"#));
    }

    #[test]
    fn a_member_gets_another_value_or_is_added() {
        for (text, names, expected) in [
            (r#"{"a":1,"b":[2]}"#, &["a"][..], Some(r#"{"a":9,"b":[2]}"#)),
            (r#"{"a":1,"b":[2]}"#, &["b"], Some(r#"{"a":1,"b":9}"#)),
            (r#"{"a":1}"#, &["c"], Some(r#"{"a":1,"c":9}"#)),
            ("{ }", &["c"], Some("{ \"c\":9}")),
            (r#"{"a":{"x":"}"},"c":0}"#, &["a", "y"], Some(r#"{"a":{"x":"}","y":9},"c":0}"#)),
            (r#"{"a":1}"#, &["c", "d"], None),
            (r#"{"a":1}"#, &["a", "d"], None),
            (r#"{"a\"b":1}"#, &["a\"b"], Some(r#"{"a\"b":9}"#)),
        ] {
            assert_eq!(assign(text, &path(names), "9").as_deref(), expected, "{text} {names:?}");
        }
    }

    #[test]
    fn a_member_is_found_as_it_is_written() {
        let text = r#"{"id" : "\u0061" ,"params":{"_meta":{"t":1.50}}}"#;
        assert_eq!(find(text, &["id"]), Some(r#""\u0061""#));
        assert_eq!(find(text, &["params", "_meta", "t"]), Some("1.50"));
        assert_eq!(find(text, &["params", "t"]), None);
        assert_eq!(find(text, &["id", "t"]), None);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[ -~é\\n\"\\\\]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[a-c\"]{0,3}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_number_is_reached_and_nothing_else_moves(value in json(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let changed = rewrite(&text, &mut |_, found| match found {
                Found::Number(_) => Some("0".to_owned()),
                _ => None,
            });
            let mut expected = value.clone();
            zero(&mut expected);
            let changed = changed.unwrap_or(text);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&changed).unwrap(), expected);
        }
    }

    fn zero(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Number(number) => *number = 0.into(),
            serde_json::Value::Array(items) => items.iter_mut().for_each(zero),
            serde_json::Value::Object(members) => members.values_mut().for_each(zero),
            _ => {}
        }
    }
}
