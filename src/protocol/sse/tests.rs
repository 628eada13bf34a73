//! Streams as they come from real servers and as nobody should write them, cut anywhere.

use proptest::prelude::*;

use super::{Block, Event, Reader, with_data};

const LIMIT_BYTES: usize = 64;

fn read(pieces: &[&[u8]]) -> Vec<Block> {
    let mut reader = Reader::new(LIMIT_BYTES);
    let mut blocks = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while let Some(block) = reader.next(&mut rest) {
            blocks.push(block);
        }
        assert!(rest.is_empty(), "all of a piece is taken");
    }
    blocks
}

/// Events as (name, data, id); what is not read as `-` or `too large`.
fn told(input: &[u8]) -> Vec<(String, String, String)> {
    let told = |block: Block| match block {
        Block::Event(Event { name, data, id, .. }) => (
            name.map(String::from).unwrap_or_default(),
            String::from_utf8_lossy(&data).into_owned(),
            id.map(String::from).unwrap_or_default(),
        ),
        Block::Silent(_) => ("-".to_owned(), String::new(), String::new()),
        Block::Oversized(_) => ("too large".to_owned(), String::new(), String::new()),
    };
    read(&[input]).into_iter().map(told).collect()
}

fn event(name: &str, data: &str, id: &str) -> (String, String, String) {
    (name.to_owned(), data.to_owned(), id.to_owned())
}

#[test]
fn fields_are_read_as_the_standard_says() {
    for (input, expected) in [
        (&b"data: a\n\n"[..], vec![event("", "a", "")]),
        (b"data:a\ndata:  b\n\n", vec![event("", "a\n b", "")]),
        (b"data\n\n", vec![event("", "", "")]),
        (b"data\ndata\n\n", vec![event("", "\n", "")]),
        (b"id: 7\ndata: \n\n", vec![event("", "", "7")]),
        (
            b"event: message\r\nid: a\r\nretry: 10\r\ndata: {}\r\n\r\n",
            vec![event("message", "{}", "a")],
        ),
        (b"event: x\ndata: 1\n\ndata: 2\n\n", vec![event("x", "1", ""), event("", "2", "")]),
        (b": ping\n\ndata: 1\r\r", vec![event("-", "", ""), event("", "1", "")]),
        (b"event: only\n\n\n", vec![event("-", "", ""), event("-", "", "")]),
        (
            b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n",
            vec![event("", "1", ""), event("-", "", "")],
        ),
        (b"id: a\0b\ndata: 1\n\n", vec![event("", "1", "")]),
        (b"dat: 1\nDATA: 2\n data: 3\n\n", vec![event("-", "", "")]),
        (b"data: not ended\n", vec![]),
        (b"data: \xff\n\n", vec![event("", "\u{fffd}", "")]),
    ] {
        assert_eq!(told(input), expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn a_block_that_is_too_large_is_told_and_those_after_it_are_read() {
    let long = "x".repeat(LIMIT_BYTES);
    let input = format!("data: {long}\ndata: more\n\ndata: 1\n\n:{long}\n\ndata: 2\n\n");
    let expected = vec![
        event("too large", "", ""),
        event("", "1", ""),
        event("too large", "", ""),
        event("", "2", ""),
    ];
    assert_eq!(told(input.as_bytes()), expected);
    let just = format!("data:{}\n\n", "x".repeat(LIMIT_BYTES - 7));
    assert!(matches!(read(&[just.as_bytes()]).as_slice(), [Block::Event(_)]));
    let over = format!("data:{}\n\n", "x".repeat(LIMIT_BYTES - 6));
    assert!(matches!(read(&[over.as_bytes()]).as_slice(), [Block::Oversized(_)]));
}

#[test]
fn memory_is_bounded_while_no_line_ends() {
    let mut reader = Reader::new(LIMIT_BYTES);
    for _ in 0..1000 {
        let mut rest = &b"data: 0123456789"[..];
        assert_eq!(reader.next(&mut rest), None);
        assert!(reader.line.capacity() <= 4 * LIMIT_BYTES, "{}", reader.line.capacity());
    }
    let mut rest = &b"\n\ndata: 1\n\n"[..];
    assert!(matches!(reader.next(&mut rest), Some(Block::Oversized(range)) if range.end == 16_002));
    assert!(matches!(reader.next(&mut rest), Some(Block::Event(_))));
}

#[test]
fn an_event_gets_other_data_and_keeps_the_rest() {
    for (block, data, expected) in [
        (
            &b"event: x\r\ndata: 1\r\nid: 4\r\n\r\n"[..],
            "{}",
            "event: x\r\ndata: {}\r\nid: 4\r\n\r\n",
        ),
        (
            b"\n: note\ndata:1\ndata:2\nretry: 5\n\n",
            "a\nb",
            "\n: note\ndata: a\ndata: b\nretry: 5\n\n",
        ),
        (b"\xef\xbb\xbfdata: 1\r\r", "2", "data: 2\r\r"),
    ] {
        assert_eq!(String::from_utf8(with_data(block, data)).unwrap(), expected);
    }
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("data: {\"a\":1}".to_owned()),
        Just("data:".to_owned()),
        Just(": comment".to_owned()),
        Just("id: 4".to_owned()),
        Just(String::new()),
        Just("\u{feff}".to_owned()),
        "data: [ -~]{0,70}",
        "[a-z: ]{0,10}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n"), Just("\r\n\r\n")];
    prop::collection::vec((line, end), 0..12)
        .prop_map(|lines| lines.into_iter().flat_map(|(l, e)| (l + e).into_bytes()).collect())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_blocks(input in stream(), cuts in prop::collection::vec(0..400_usize, 0..9)) {
        let whole = read(&[&input]);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&read(&single), &whole);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([input.len()]) {
            pieces.push(&input[from..cut]);
            from = cut;
        }
        prop_assert_eq!(&read(&pieces), &whole);
    }

    #[test]
    fn blocks_follow_on_one_another_and_can_be_read_alone(input in stream()) {
        let mut at = 0;
        for block in read(&[&input]) {
            let range = match &block {
                Block::Event(event) => event.range.clone(),
                Block::Silent(range) | Block::Oversized(range) => range.clone(),
            };
            prop_assert_eq!(range.start, at);
            at = range.end;
            if let Block::Event(event) = block && event.range.start > 0 {
                // A line feed of the line end before is a blank line when it stands alone.
                let alone = &input[event.range.start as usize..event.range.end as usize];
                let alone = alone.strip_prefix(b"\n").unwrap_or(alone);
                let again = read(&[b"\n", alone]);
                let found = again.iter().any(|block| matches!(block, Block::Event(other)
                    if other.data == event.data && other.name == event.name));
                prop_assert!(found);
            }
        }
    }
}
