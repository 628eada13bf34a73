//! The structure of a JSON text in one number: which members of which types it has, whatever their
//! values, their order and how many there are. Read off while the text passes, in fixed memory.
//!
//! It judges nothing: two texts of one structure have one number, two of different structures hardly
//! ever have the same. A text that is no JSON has a number as well, or none.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Longest text of which the structure is told; of a longer one nothing is.
pub const SHAPE_LIMIT_BYTES: usize = 8_192;

/// Nesting that is looked into; what is deeper has no structure.
const DEPTH_LIMIT: usize = 16;

/// Words of the set of what was found.
const SET_WORDS: usize = 16;

/// What was found in a text so far.
#[derive(Debug)]
pub struct Shape {
    /// A bit for each path with its type: the order and the number of finds leave no trace.
    found: [u64; SET_WORDS],
    /// The paths of the containers that are open.
    open: [Open; DEPTH_LIMIT],
    /// How many are, those beyond the limit included.
    depth: usize,
    state: State,
    read_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    path: u64,
    /// The path of the member whose value comes next.
    member: u64,
    is_object: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value, a name or an end comes.
    Between { name_next: bool },
    /// In a string.
    String { is_name: bool, escaped: bool, hash: u64 },
    /// In a number or a word.
    Word,
    /// The text is no object and no array.
    NoJson,
}

/// The types that are told apart. A null has none: it stands for a value of any.
#[derive(Clone, Copy, Debug)]
enum Type {
    Object = 1,
    Array,
    String,
    Number,
    Bool,
}

const ROOT: u64 = 0x9e37_79b9_7f4a_7c15;
const ITEM: u64 = 0xc2b2_ae3d_27d4_eb4f;

fn mix(path: u64, with: u64) -> u64 {
    let mixed = (path.rotate_left(23) ^ with).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 32)
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            found: [0; SET_WORDS],
            open: [Open::default(); DEPTH_LIMIT],
            depth: 0,
            state: State::Between { name_next: false },
            read_bytes: 0,
        }
    }
}

/// The structure of a whole text, if it is short enough to tell.
pub fn shape(text: &[u8]) -> Option<u64> {
    let mut shape = Shape::default();
    shape.read(text);
    shape.finish()
}

impl Shape {
    /// Reads the next piece of the text.
    pub fn read(&mut self, piece: &[u8]) {
        self.read_bytes = self.read_bytes.saturating_add(piece.len());
        if self.read_bytes > SHAPE_LIMIT_BYTES {
            return;
        }
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            // Most of a text are values of strings.
            rest = match self.state {
                State::String { is_name: false, escaped: false, .. } => {
                    let Some(at) = memchr::memchr2(b'"', b'\\', rest) else { return };
                    let byte = rest.get(at).copied().unwrap_or_default();
                    self.step(byte);
                    rest.get(at.saturating_add(1)..).unwrap_or_default()
                }
                State::NoJson => return,
                State::Between { .. } | State::String { .. } | State::Word => {
                    self.step(*byte);
                    after
                }
            };
        }
    }

    /// The number of the structure. `None` of a text that is too long, or no object and no array.
    pub fn finish(&self) -> Option<u64> {
        let is_told = self.read_bytes <= SHAPE_LIMIT_BYTES && self.found != [0; SET_WORDS];
        is_told.then(|| BuildHasherDefault::<DefaultHasher>::default().hash_one(self.found))
    }

    fn step(&mut self, byte: u8) {
        match self.state {
            State::NoJson => {}
            State::String { escaped: true, is_name, hash } => {
                let hash = mix(hash, u64::from(byte));
                self.state = State::String { escaped: false, is_name, hash };
            }
            State::String { is_name, hash, .. } => match byte {
                b'\\' => self.state = State::String { escaped: true, is_name, hash },
                b'"' => self.string_ended(is_name, hash),
                _ => {
                    let hash = mix(hash, u64::from(byte));
                    self.state = State::String { escaped: false, is_name, hash };
                }
            },
            State::Word => match byte {
                b',' | b']' | b'}' => {
                    self.state = State::Between { name_next: false };
                    self.between(byte, false);
                }
                _ => {}
            },
            State::Between { name_next } => self.between(byte, name_next),
        }
    }

    fn between(&mut self, byte: u8, name_next: bool) {
        match byte {
            b'{' | b'[' => self.begin(byte == b'{'),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' => {
                let is_object = self.innermost().is_some_and(|open| open.is_object);
                self.state = State::Between { name_next: is_object };
            }
            b'"' => {
                self.state = State::String { is_name: name_next, escaped: false, hash: ROOT };
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' => {}
            _ if self.depth == 0 && self.found == [0; SET_WORDS] => self.state = State::NoJson,
            b't' | b'f' => self.word(Some(Type::Bool)),
            b'n' => self.word(None),
            _ => self.word(Some(Type::Number)),
        }
    }

    fn word(&mut self, kind: Option<Type>) {
        if let Some(kind) = kind {
            self.find(kind);
        }
        self.state = State::Word;
    }

    fn string_ended(&mut self, is_name: bool, hash: u64) {
        self.state = State::Between { name_next: false };
        if !is_name {
            self.find(Type::String);
        } else if let Some(open) = self.innermost() {
            open.member = mix(open.path, hash);
        }
    }

    fn begin(&mut self, is_object: bool) {
        self.find(if is_object { Type::Object } else { Type::Array });
        let path = self.path();
        if let Some(open) = self.open.get_mut(self.depth) {
            *open = Open { path, member: path, is_object };
        }
        self.depth = self.depth.saturating_add(1);
        self.state = State::Between { name_next: is_object };
    }

    /// The innermost open container, unless it is too deep.
    fn innermost(&mut self) -> Option<&mut Open> {
        self.open.get_mut(self.depth.checked_sub(1)?)
    }

    /// The path of the value that comes.
    fn path(&mut self) -> u64 {
        match self.innermost() {
            Some(open) if open.is_object => open.member,
            Some(open) => mix(open.path, ITEM),
            None => ROOT,
        }
    }

    fn find(&mut self, kind: Type) {
        if self.depth > DEPTH_LIMIT {
            return;
        }
        let place = mix(self.path(), kind as u64) >> 22;
        let word = usize::try_from(place / 64).unwrap_or_default() % SET_WORDS;
        if let Some(word) = self.found.get_mut(word) {
            *word |= 1 << (place % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<u64> {
        let whole = shape(text.as_bytes());
        for at in 0..=text.len() {
            let mut pieces = Shape::default();
            pieces.read(&text.as_bytes()[..at]);
            pieces.read(&text.as_bytes()[at..]);
            assert_eq!(pieces.finish(), whole, "{text} in two pieces, at {at}");
        }
        whole
    }

    #[test]
    fn values_order_and_number_do_not_matter() {
        for (one, other) in [
            (r#"{"a":1,"b":"x"}"#, r#" { "b" : "y\"}" , "a" : -2.5e3 } "#),
            (r#"{"a":[{"b":1},{"b":2,"c":true}]}"#, r#"{"a":[{"c":false,"b":3}]}"#),
            (r#"[1,2,3]"#, r#"[4]"#),
            (r#"{"a":null,"b":1}"#, r#"{"b":1}"#),
            (r#"{"a":{"b":{"c":[]}}}"#, "{\"a\":\n{\"b\": {\"c\" :[ ]}}}"),
        ] {
            assert!(of(one).is_some());
            assert_eq!(of(one), of(other), "{one} {other}");
        }
    }

    #[test]
    fn names_types_and_nesting_do() {
        let texts = [
            r#"{"a":1}"#,
            r#"{"b":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":true}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{"a":1}}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"a":{},"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"ab":1}"#,
            r#"[{"a":1}]"#,
            r#"[]"#,
            r#"{}"#,
        ];
        let mut shapes: Vec<u64> = texts.iter().map(|text| of(text).unwrap()).collect();
        shapes.sort_unstable();
        shapes.dedup();
        assert_eq!(shapes.len(), texts.len());
    }

    #[test]
    fn one_renamed_member_among_many_nearly_always_shows() {
        let object = |renamed: Option<usize>| {
            let name =
                |at| if renamed == Some(at) { format!("other_{at}") } else { format!("m_{at}") };
            let members: Vec<String> = (0..60).map(|at| format!("\"{}\":{at}", name(at))).collect();
            shape(format!("{{{}}}", members.join(",")).as_bytes()).unwrap()
        };
        let unseen = (0..60).filter(|at| object(Some(*at)) == object(None)).count();
        assert!(unseen <= 2, "{unseen} of 60 do not show");
    }

    #[test]
    fn what_is_no_json_or_too_much_of_it_has_none() {
        for text in ["", "  ", "hello {", "<html>{}</html>", "12", "data: {\"a\":1}\n\n"] {
            assert_eq!(of(text), None, "{text}");
        }
        let long = format!("[{}]", "1,".repeat(SHAPE_LIMIT_BYTES));
        assert_eq!(shape(long.as_bytes()), None);
        let deep = format!("{}{}", "[{\"a\":".repeat(500), "}]".repeat(500));
        assert!(shape(deep.as_bytes()).is_some(), "depth has no effect but on what is told");
        // Whatever comes, it ends.
        for text in ["{{{", "]]]]", "{\"a\"\"b\"", "[}{]", "{\"\\", "{,,,:::"] {
            of(text);
        }
    }
}
