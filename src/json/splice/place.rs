//! Where values stand in a JSON text, and texts with a member or some elements of an array left out.

use std::ops::Range;

use super::{Reader, member, unquoted};

/// Where the value stands that is reached through members of nested objects by these names.
/// `None` when there is none.
pub fn place(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut reader = Reader { text, at: 0 };
    let mut range = reader.skip_value();
    for name in path {
        range = member(text, range, name).0?;
    }
    Some(range)
}

/// Where a member's value stands of the object at `range`. `None` when there is none.
pub fn place_in(text: &str, range: Range<usize>, name: &str) -> Option<Range<usize>> {
    member(text, range, name).0
}

/// The text of an object without the member of this name, all else as it stood. `None` when it has
/// none.
pub fn without(text: &str, name: &str) -> Option<String> {
    let mut reader = Reader { text, at: 0 };
    if !reader.takes(b'{') {
        return None;
    }
    // Where the value before ends, and where what follows its comma begins.
    let (mut end, mut begin) = (reader.at, reader.at);
    while reader.peek() == Some(b'"') {
        let key = reader.string();
        reader.takes(b':');
        let value = reader.skip_value();
        let is_last = !reader.takes(b',');
        if unquoted(key) == name {
            let range = if is_last { end..value.end } else { begin..reader.at };
            return Some([text.get(..range.start)?, text.get(range.end..)?].concat());
        }
        (end, begin) = (value.end, reader.at);
    }
    None
}

/// Where the elements of the array at `range` stand; none when it is no array.
pub fn elements(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut reader = Reader { text, at: range.start };
    let mut found = Vec::new();
    if !reader.takes(b'[') {
        return found;
    }
    while reader.peek().is_some_and(|byte| byte != b']') {
        found.push(reader.skip_value());
        reader.takes(b',');
    }
    found
}

/// The text without those elements of the array at `range` that `keeps` says no to, by their
/// position. All other bytes stand as they stood, except for the commas between what is left.
/// `None` when every element is kept.
pub fn sieve(
    text: &str,
    range: Range<usize>,
    keeps: &mut dyn FnMut(usize) -> bool,
) -> Option<String> {
    let mut reader = Reader { text, at: range.start };
    if !reader.takes(b'[') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    out.push_str(text.get(..reader.at)?);
    let mut end = reader.at;
    let (mut position, mut kept, mut dropped) = (0, 0, 0);
    while reader.peek().is_some_and(|byte| byte != b']') {
        let element = reader.skip_value();
        // Blanks, and a comma before all but the first.
        let before = text.get(end..element.start)?;
        end = element.end;
        if keeps(position) {
            match before.split_once(',') {
                Some((blank, after)) if kept == 0 => out.extend([blank, after]),
                Some(_) | None => out.push_str(before),
            }
            out.push_str(text.get(element)?);
            kept += 1;
        } else {
            dropped += 1;
        }
        position += 1;
        reader.takes(b',');
    }
    out.push_str(text.get(end..)?);
    (dropped > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{elements, place, place_in, sieve, without};

    #[test]
    fn a_member_is_left_out_and_nothing_else() {
        for (text, left) in [
            ("{\"a\":1}", "{}"),
            ("{ \"a\" : 1 }", "{ }"),
            ("{\"a\":1,\"b\":2}", "{\"b\":2}"),
            ("{\"b\":2,\"a\":{\"a\":[1,2]}}", "{\"b\":2}"),
            ("{\"b\":1.0 , \"\\u0061\":2, \"c\":\"a,\" }", "{\"b\":1.0 , \"c\":\"a,\" }"),
        ] {
            assert_eq!(without(text, "a").as_deref(), Some(left), "{text}");
        }
        for text in ["{}", "{\"b\":{\"a\":1}}", "[\"a\"]", "1"] {
            assert_eq!(without(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn values_are_found_by_name() {
        let text = " {\"a\" : {\"b\":[1, 2], \"c\":\"x}\"}, \"id\" : 1.50 } ";
        for (path, expected) in [
            (&["id"][..], Some("1.50")),
            (&["a", "b"], Some("[1, 2]")),
            (&["a", "c"], Some("\"x}\"")),
            (&["a", "d"], None),
            (&["id", "d"], None),
            (&[], Some(text.trim())),
        ] {
            assert_eq!(place(text, path).map(|range| &text[range]), expected, "{path:?}");
        }
    }

    #[test]
    fn elements_stand_one_after_the_other() {
        let text = r#"{"t":[ 1 , {"x":[2]}, "3" ],"u":0}"#;
        let found = elements(text, place(text, &["t"]).unwrap());
        let found: Vec<&str> = found.into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["1", r#"{"x":[2]}"#, "\"3\""]);
        assert!(elements(text, place(text, &["u"]).unwrap()).is_empty());
        let inner = place_in(text, 11..20, "x");
        assert_eq!(inner.map(|range| &text[range]), Some("[2]"));
    }

    #[test]
    fn elements_go_and_everything_else_stays() {
        for (text, kept, expected) in [
            (r#"{"t":[ 1 , {"x":[2]}, "3" ],"u":0}"#, &[0, 2][..], r#"{"t":[ 1 , "3" ],"u":0}"#),
            (r#"{"t":[1,2,3]}"#, &[2], r#"{"t":[3]}"#),
            (r#"{"t":[1 ,2]}"#, &[1], r#"{"t":[2]}"#),
            (r#"{"t":[1,2]}"#, &[], r#"{"t":[]}"#),
        ] {
            let range = place(text, &["t"]).unwrap();
            let changed = sieve(text, range, &mut |at| kept.contains(&at));
            let changed = changed.unwrap();
            let read = |text: &str| text.parse::<serde_json::Value>().unwrap();
            assert_eq!(read(&changed), read(expected), "{changed}");
        }
        let text = r#"{"t":[1,2],"s":{}}"#;
        let range = place(text, &["t"]).unwrap();
        assert_eq!(sieve(text, range, &mut |_| true), None);
        assert_eq!(sieve(text, place(text, &["s"]).unwrap(), &mut |_| false), None);
    }
}
