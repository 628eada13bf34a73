//! Tokens of an expression: what bounds its nesting before the parser recurses, and gives spans.
//!
//! The parser recovers from text it cannot read by skipping it, so a bound counted over a different
//! reading would not hold. This scanner is therefore strict: whatever is not a token of the CEL
//! grammar (language definition, "Syntax") is an error here and never reaches the parser.

use std::ops::Range;

use super::nesting::bound_nesting;
use super::{ExprError, SOURCE_LIMIT_BYTES};

/// One token; its text is a slice of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Byte where it starts.
    pub start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Name,
    Number,
    Text,
    Symbol,
}

impl Token<'_> {
    pub fn span(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.text.len())
    }
}

/// Splits an expression into tokens, leaving out space and comments.
///
/// # Errors
/// `TG201` at the first byte that starts no token; `TG205` when it is too long or too deep.
pub fn scan(source: &str) -> Result<Vec<Token<'_>>, ExprError> {
    if source.len() > SOURCE_LIMIT_BYTES {
        return Err(ExprError {
            code: "TG205",
            message: format!("an expression may have {SOURCE_LIMIT_BYTES} bytes"),
            span: 0..source.len(),
            help: Some("split the rule in two".to_owned()),
        });
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let space = space_len(rest);
        if space > 0 {
            at += space;
            continue;
        }
        let (kind, len) = token(rest).map_err(|fault| fault.at(at))?;
        let text = rest.get(..len).unwrap_or(rest);
        tokens.push(Token { kind, text, start: at });
        at += len.max(1);
    }
    bound_nesting(&tokens, source.len())?;
    Ok(tokens)
}

/// A fault at an offset within the text that was looked at.
struct Fault {
    message: String,
    span: Range<usize>,
    help: Option<&'static str>,
}

impl Fault {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    fn at(self, offset: usize) -> ExprError {
        ExprError {
            code: "TG201",
            message: self.message,
            span: self.span.start + offset..self.span.end + offset,
            help: self.help.map(str::to_owned),
        }
    }
}

fn space_len(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']).len()
}

fn token(rest: &str) -> Result<(Kind, usize), Fault> {
    if let Some(opening) = opening(rest) {
        return text_len(rest, &opening).map(|len| (Kind::Text, len));
    }
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        return Ok((Kind::Name, len.unwrap_or(rest.len())));
    }
    if first.is_ascii_digit() || (first == '.' && second_is_digit(rest)) {
        return Ok((Kind::Number, number_len(rest)));
    }
    const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];
    if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
        return Ok((Kind::Symbol, 2));
    }
    if "<>[]{}().,-!?:+*/%".contains(first) {
        return Ok((Kind::Symbol, 1));
    }
    let mut fault = Fault::new(format!("`{first}` means nothing here"), 0..first.len_utf8());
    fault.help = match first {
        '=' => Some("compare with `==`"),
        '&' => Some("write `&&`"),
        '|' => Some("write `||`"),
        '“' | '”' | '‘' | '’' => Some("quote with \" or '"),
        '`' => Some("write a name in quotes as args[\"a-name\"]"),
        letter if letter.is_alphabetic() => Some("write such a name as args[\"…\"]"),
        _ => None,
    };
    Err(fault)
}

fn second_is_digit(rest: &str) -> bool {
    rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

fn number_len(rest: &str) -> usize {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or("");
        from + tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())
    };
    let unsigned = |at: usize| {
        let suffixed = rest.get(at..).is_some_and(|tail| tail.starts_with(['u', 'U']));
        if suffixed { at + 1 } else { at }
    };
    if let Some(hex) = rest.strip_prefix("0x") {
        let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        if len > 0 {
            return unsigned(2 + len);
        }
    }
    let whole = digits(0);
    let mut end = whole;
    if rest.get(end..).is_some_and(|tail| tail.starts_with('.') && second_is_digit(tail)) {
        end = digits(end + 1);
    }
    if let Some(tail) = rest.get(end..).and_then(|tail| tail.strip_prefix(['e', 'E'])) {
        let sign = usize::from(tail.starts_with(['+', '-']));
        if tail.get(sign..).is_some_and(|power| power.starts_with(|c: char| c.is_ascii_digit())) {
            end = digits(end + 1 + sign);
        }
    }
    if end == whole { unsigned(end) } else { end }
}

/// How a text literal opens.
struct Opening {
    prefix_len: usize,
    raw: bool,
    quote: char,
    triple: bool,
}

fn opening(rest: &str) -> Option<Opening> {
    let after_bytes = rest.strip_prefix(['b', 'B']).unwrap_or(rest);
    let after_raw = after_bytes.strip_prefix(['r', 'R']).unwrap_or(after_bytes);
    let quote = after_raw.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple = after_raw.starts_with("\"\"\"") || after_raw.starts_with("'''");
    Some(Opening {
        prefix_len: rest.len() - after_raw.len(),
        raw: after_raw.len() < after_bytes.len(),
        quote,
        triple,
    })
}

fn text_len(rest: &str, opening: &Opening) -> Result<usize, Fault> {
    let quotes = if opening.triple { 3 } else { 1 };
    let start = opening.prefix_len + quotes;
    let mut at = start;
    while let Some(tail) = rest.get(at..) {
        let Some(c) = tail.chars().next() else {
            break;
        };
        let closing = tail.len() - tail.trim_start_matches(opening.quote).len();
        if c == opening.quote && (!opening.triple || closing >= 3) {
            return Ok(at + quotes);
        }
        if !opening.triple && matches!(c, '\n' | '\r') {
            break;
        }
        if c == '\\' && !opening.raw {
            at += escape_len(tail).ok_or_else(|| bad_escape(tail, at))?;
        } else {
            at += c.len_utf8();
        }
    }
    Err(Fault::new("this text has no closing quote", 0..start))
}

fn bad_escape(tail: &str, at: usize) -> Fault {
    let len: usize = tail.chars().take(2).map(char::len_utf8).sum();
    let escape = tail.get(..len).unwrap_or("\\");
    let mut fault = Fault::new(format!("`{escape}` is not an escape"), at..at + len);
    fault.help = Some("double the backslash, or write the text as r\"…\"");
    fault
}

/// Length of the escape sequence that `tail` starts with.
fn escape_len(tail: &str) -> Option<usize> {
    let digits = |count: usize, radix: u32| {
        let digits = tail.get(2..2 + count)?;
        digits.chars().all(|c| c.is_digit(radix)).then_some(2 + count)
    };
    match tail.chars().nth(1)? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(2),
        'x' | 'X' => digits(2, 16),
        'u' => digits(4, 16),
        'U' => digits(8, 16),
        '0'..='3' => {
            let octal = tail.get(1..4)?;
            octal.chars().all(|c| c.is_digit(8)).then_some(4)
        }
        _ => None,
    }
}
