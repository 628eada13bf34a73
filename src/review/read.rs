//! An answer as rules read it: a JSON value, or text. What could be read in another way than rules
//! read it is not read at all.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::json::{Document, JSON_DEPTH_LIMIT, splice};

/// A decoded answer.
pub struct Content {
    /// The value that rules see; a text is a JSON string.
    pub value: Document,
    /// The body as it came.
    pub text: String,
    pub is_json: bool,
}

/// What is taken out of an answer, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redacts {
    Nothing,
    /// What is found in it. Within JSON it may stand escaped, which is found in JSON only.
    Found,
    /// Values by their path. What is not read as JSON has none.
    ByPath,
}

impl Content {
    /// Reads a body as its headers declare it, so that what is to be taken out of it can be.
    ///
    /// # Errors
    /// What keeps it from being read, without a word of what it says.
    pub fn read(headers: &HeaderMap, body: &Bytes, redacts: Redacts) -> Result<Self, &'static str> {
        if body.is_empty() {
            return Self::plain(String::new());
        }
        let encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings
            .into_iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err("its answer is compressed");
        }
        let mut declared = headers.get_all(CONTENT_TYPE).iter();
        let kind = declared.next().map(|value| value.to_str().unwrap_or_default());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        if declared.next().is_some() {
            return Err("its answer declares two types");
        }
        if !charset_is_read(&kind, body) {
            return Err("its answer is not in UTF-8");
        }
        let Ok(text) = std::str::from_utf8(body) else {
            return Err("its answer is not in UTF-8");
        };
        if text.contains('\0') {
            return Err("its answer is not text");
        }
        if let Ok(value) = Document::parse(body.clone(), JSON_DEPTH_LIMIT) {
            return Ok(Self { value, text: text.to_owned(), is_json: true });
        }
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence == "application/json" || essence.ends_with("+json") {
            return Err("its answer is JSON that can be read in more than one way, or is broken");
        }
        match redacts {
            Redacts::ByPath => Err("its answer cannot be read as JSON"),
            Redacts::Found if looks_like_json(text) => {
                Err("its answer looks like JSON and cannot be read as such")
            }
            Redacts::Found | Redacts::Nothing => Self::plain(text.to_owned()),
        }
    }

    fn plain(text: String) -> Result<Self, &'static str> {
        let value = Document::from_text(&splice::quoted(&text));
        let value = value.map_err(|_| "its answer is not text")?;
        Ok(Self { value, text, is_json: false })
    }
}

/// Whether an agent may take a text for JSON: also with a byte order mark or the prefix that keeps
/// browsers from running it as a script, and also one value to a line.
pub(super) fn looks_like_json(text: &str) -> bool {
    let blank = |text: char| text.is_whitespace() || text.is_control() || text == '\u{feff}';
    let start = text.trim_start_matches(blank);
    let start = start.strip_prefix(")]}'").unwrap_or(start);
    start.trim_start_matches(|text: char| blank(text) || text == ',').starts_with(['{', '['])
}

/// Whether a declared character set says the same as UTF-8 of these bytes.
fn charset_is_read(kind: &str, body: &Bytes) -> bool {
    let mut parameters = kind.split(';').skip(1).map(str::trim);
    let Some(charset) = parameters.find_map(|parameter| parameter.strip_prefix("charset=")) else {
        return true;
    };
    match charset.trim_matches('"') {
        "utf-8" | "utf8" => true,
        "us-ascii" | "ascii" | "iso-8859-1" | "latin1" | "windows-1252" => body.is_ascii(),
        _ => false,
    }
}
