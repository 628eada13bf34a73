//! JSON in pieces of every size.

use super::{Scalar, Sink, Skim, Step};

const NAMES: [&str; 5] = ["a", "b", "é", "raw", "x\ny"];

/// Writes down what it is told.
#[derive(Default)]
struct Log(Vec<String>);

fn place(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Name(name) => format!(".{name}"),
        Step::Index(index) => format!("[{index}]"),
    });
    steps.collect()
}

impl Sink for Log {
    fn name(&self, name: &str) -> Option<&'static str> {
        NAMES.iter().find(|known| **known == name).copied()
    }

    fn wants(&self, path: &[Step]) -> usize {
        if path.last() == Some(&Step::Name("b")) { 4 } else { 64 }
    }

    fn wants_raw(&self, path: &[Step]) -> usize {
        if path.last() == Some(&Step::Name("raw")) { 16 } else { 0 }
    }

    fn enter(&mut self, path: &[Step]) {
        self.0.push(format!("{}(", place(path)));
    }

    fn value(&mut self, path: &[Step], value: Scalar<'_>) {
        let value = match value {
            Scalar::Raw { text, is_whole } => {
                format!("raw {} {is_whole}", String::from_utf8_lossy(text))
            }
            other => format!("{other:?}"),
        };
        self.0.push(format!("{}={value}", place(path)));
    }

    fn leave(&mut self, path: &[Step]) {
        self.0.push(format!("{})", place(path)));
    }
}

fn read(text: &str, piece: usize) -> (Vec<String>, bool) {
    let (mut skim, mut log) = (Skim::default(), Log::default());
    for piece in text.as_bytes().chunks(piece) {
        skim.feed(piece, &mut log);
    }
    skim.finish(&mut log);
    (log.0, skim.is_done())
}

#[test]
fn values_are_told_with_their_place_whatever_the_pieces() {
    let text = r#" {"a": [1, 2.0, -3, {"b":"12345"}], "other":{"b":null},
        "\u00e9":"\ud83d\ude00\n\"", "x\ny":[], "raw":{"a" :[1,"]}"]}, "b":true} "#;
    let (whole, done) = read(text, text.len());
    assert!(done);
    let expected = [
        "(",
        ".a(",
        ".a[0]=Count(1)",
        ".a[1]=Count(2)",
        ".a[2]=Number",
        ".a[3](",
        r#".a[3].b=Text { taken: "1234", is_whole: false, bytes: 5 }"#,
        ".a[3])",
        ".a)",
        ".(",
        "..b=Null",
        ".)",
        r#".é=Text { taken: "😀\n\"", is_whole: true, bytes: 16 }"#,
        ".x\ny(",
        ".x\ny)",
        r#".raw=raw {"a" :[1,"]}"]} true"#,
        ".b=Bool(true)",
        ")",
    ];
    assert_eq!(whole, expected);
    for piece in 1..text.len() {
        assert_eq!(read(text, piece), (whole.clone(), true), "in pieces of {piece}");
    }
}

#[test]
fn what_is_asked_for_as_it_stands_is_bounded() {
    let (log, done) = read(r#"{"raw":{"a":"12345678901234567890"},"a":1}"#, 3);
    assert!(done);
    assert_eq!(log, ["(", ".raw=raw {\"a\":\"1234567890 false", ".a=Count(1)", ")"]);
}

#[test]
fn faults_end_the_reading_and_numbers_may_end_the_text() {
    for text in ["[DONE]", "{", "[1,", "{\"a\" 1}", "[1}", "{]", "\"\\x\"", "\"\\u12g4\"", "[1 2]"]
    {
        assert!(!read(text, 1).1, "{text}");
    }
    assert_eq!(read("17", 1), (vec!["=Count(17)".to_owned()], true));
    let deep = "[".repeat(100);
    assert!(!read(&deep, 7).1);
}

#[test]
fn halves_of_pairs_do_not_hide_what_follows() {
    let (log, _) = read(r#"["\ud83dx", "\ude00", "\ud83d\ud83d\ude00"]"#, 2);
    let texts: Vec<&str> = log.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(texts, ["\u{fffd}x", "\u{fffd}", "\u{fffd}😀"]);
}
