//! The parser's complaints in words that say what to do.

use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::codes;
use super::diagnostic::Diagnostic;
use super::source::{Source, Span};

/// How many lines an unclosed quote is looked for.
const OPEN_QUOTE_LIMIT_LINES: usize = 50;

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
    if matches!(error.kind(), ErrorKind::UnknownAnchor) {
        let message = "a value that begins with `*` is a YAML alias, and there is no such anchor";
        let alias = rest.get(..token_len(rest)).unwrap_or_default();
        let fault = Diagnostic::error(codes::ALIAS, message).at(source, at(alias.len()));
        return fault.help(format!("quote the value: \"{alias}\""));
    }
    let unclosed = matches!(
        error.kind(),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent
    );
    if unclosed && let Some(quote) = open_quote(source.text.get(..start).unwrap_or_default()) {
        return Diagnostic::error(codes::SYNTAX, "the quoted text is not closed")
            .at(source, Span { start: quote, end: quote + 1 })
            .help("add the closing quote");
    }
    let reference = matches!(error.kind(), ErrorKind::ExpectedFlowMappingSeparator)
        && source.text.get(..start).is_some_and(|before| before.ends_with('$'));
    if reference && rest.starts_with('{') {
        let message = "between `{` and `}` a value with `${…}` needs quotes";
        return Diagnostic::error(codes::SYNTAX, message)
            .at(source, Span { start: start - 1, end: start + 1 })
            .help("quote it: \"${env:NAME}\"");
    }
    let (message, help) = describe(error.kind(), first);
    let code = match error.kind() {
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

/// The last quote before a complaint that has no partner on its line.
fn open_quote(before: &str) -> Option<usize> {
    let mut end = before.trim_end().len();
    for _ in 0..OPEN_QUOTE_LIMIT_LINES {
        let start = before.get(..end)?.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.get(start..end)?;
        let unpaired =
            ['"', '\''].into_iter().filter(|quote| line.matches(*quote).count() % 2 == 1);
        if let Some(at) = unpaired.filter_map(|quote| line.rfind(quote)).max() {
            return Some(start + at);
        }
        end = start.checked_sub(1)?;
    }
    None
}

fn token_len(rest: &str) -> usize {
    rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}')).unwrap_or(rest.len())
}

fn describe(kind: &ErrorKind, first: Option<char>) -> (String, Option<&'static str>) {
    use ErrorKind as Kind;
    let (message, help) = match kind {
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
