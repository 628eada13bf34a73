//! The parser's complaints in words that say what to do.

use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::codes;
use super::diagnostic::Diagnostic;
use super::source::{Source, Span};

const BLOCK_HELP: &str = "quote the value, or put it on the next line below `|`";

/// The byte offset a complaint is about.
pub(super) fn offset(error: &ScanError, text: &str) -> usize {
    error.marker().byte_offset().unwrap_or(text.len()).min(text.len())
}

/// The fault of a complaint.
pub(super) fn fault(source: &Arc<Source>, error: &ScanError) -> Diagnostic {
    let start = offset(error, &source.text);
    let rest = source.text.get(start..).unwrap_or_default();
    let first = rest.chars().next();
    let width = first.filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
    let at = |width: usize| Span { start, end: start + width };
    if rest.starts_with('!') {
        return tag(source, at(token_len(rest)));
    }
    let (message, help) = describe(error.kind(), first);
    let width = if rest.starts_with('*') { token_len(rest) } else { width };
    let code = match error.kind() {
        ErrorKind::UnknownAnchor => codes::ALIAS,
        ErrorKind::RecursionLimitExceeded => codes::BOUNDS,
        _ => codes::SYNTAX,
    };
    let mut fault = Diagnostic::error(code, message).at(source, at(width));
    fault.help = help.map(str::to_owned);
    fault
}

/// A YAML tag where a value was meant: `when: !run.called("x")`.
pub(super) fn tag(source: &Arc<Source>, span: Span) -> Diagnostic {
    Diagnostic::error(codes::TAG, "a value that begins with `!` is a YAML tag, not an expression")
        .at(source, span)
        .help("quote the expression or use `|`")
        .note("for example: when: '!run.called(\"payments.verify\")'")
}

fn token_len(rest: &str) -> usize {
    rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}')).unwrap_or(rest.len())
}

fn describe(kind: &ErrorKind, first: Option<char>) -> (String, Option<&'static str>) {
    use ErrorKind as Kind;
    let (message, help) = match kind {
        Kind::UnknownAnchor => (
            "a value that begins with `*` is a YAML alias, and there is no such anchor",
            "quote the value: \"*.get\"",
        ),
        Kind::MappingValueNotAllowed | Kind::InvalidColonPlacement => (
            "a `:` where no key can stand",
            "quote the value if `: ` is part of it; otherwise check the indentation",
        ),
        Kind::InvalidTrailingDoubleQuotedScalar | Kind::InvalidTrailingSingleQuotedScalar => {
            ("text after the closing quote", "quote the whole value, or put it below `|`")
        }
        Kind::UnclosedQuotedScalar | Kind::InvalidQuotedScalarIndent => {
            ("the quoted text before this place is not closed", "add the closing quote")
        }
        Kind::UnknownQuotedScalarEscape => (
            "unknown escape in a double-quoted text",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        Kind::SimpleKeyExpected | Kind::ExpectedBlockMappingKey | Kind::InvalidSimpleKey => {
            ("expected `key: value`", "is a `:` missing, or is the indentation off?")
        }
        Kind::InvalidIndentation | Kind::InvalidFlowScalarIndent => {
            ("the indentation fits nothing above", "align the line with its neighbours")
        }
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabInPlainScalar
        | Kind::TabAtBlockScalarStart => {
            ("a tab where only spaces can stand", "indent with spaces")
        }
        Kind::BlockSequenceEntryNotAllowed | Kind::BlockEntryInFlowCollection => {
            ("a list item cannot start here", "put each `- ` on a line of its own")
        }
        Kind::UnclosedFlowCollection { .. }
        | Kind::UnexpectedEofFlowSequence
        | Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping => {
            ("a `[` or `{` is not closed", "add the closing `]` or `}`")
        }
        Kind::ExpectedFlowMappingSeparator => ("expected `,` or `}`", "is a `}` missing?"),
        Kind::ExpectedFlowSequenceSeparator => ("expected `,` or `]`", "is a `]` missing?"),
        Kind::MismatchedFlowCollectionEnd { .. } | Kind::MisplacedFlowCollectionEnd => {
            ("a bracket closes what it did not open", "check `[ ]` and `{ }`")
        }
        Kind::RecursionLimitExceeded => {
            ("too many levels of nesting", "no file of Toolgate needs that many")
        }
        Kind::UnexpectedCharacter { .. } => {
            let shown = first.unwrap_or(' ').escape_default();
            return (format!("a value cannot begin with `{shown}`"), Some(BLOCK_HELP));
        }
        other => return (format!("not YAML: {other}"), None),
    };
    (message.to_owned(), Some(help))
}
