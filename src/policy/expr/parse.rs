//! Text to syntax tree: the `cel` crate's parser, behind bounds, with places in bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};
use cel::parser::{ParseError, ParseErrors, Parser};

use super::ExprError;
use super::scan::{Kind, Token, scan};

/// Syntax errors reported for one expression; more than a few are echoes of the first.
const SYNTAX_ERRORS_LIMIT: usize = 3;

/// A syntax tree and where its nodes stand.
pub struct Parsed {
    pub tree: IdedExpr,
    pub places: Places,
}

/// Where the nodes of a syntax tree stand in the source.
pub struct Places {
    info: SourceInfo,
    /// Tokens by the byte where they start.
    tokens: BTreeMap<usize, (Kind, usize)>,
    /// Where the bracket that starts at a byte is closed.
    closings: BTreeMap<usize, usize>,
    source_len: usize,
}

/// Parses an expression, macros expanded.
///
/// # Errors
/// `TG201` for text that is not CEL; `TG205` when it is too long or nested too deeply.
pub fn parse(source: &str) -> Result<Parsed, Vec<ExprError>> {
    let tokens = scan(source).map_err(|error| vec![error])?;
    if tokens.is_empty() {
        return Err(vec![syntax("an expression is missing here", 0..source.len())]);
    }
    let parser = Parser::new().enable_optional_syntax(true);
    match parser.parse_with_source_info(source) {
        Ok((tree, info)) => {
            let by_start = tokens.iter().map(|token| (token.start, (token.kind, token.span().end)));
            let places = Places {
                info,
                tokens: by_start.collect(),
                closings: closings(&tokens),
                source_len: source.len(),
            };
            Ok(Parsed { tree, places })
        }
        Err(errors) => Err(convert(source, &tokens, errors)),
    }
}

pub fn syntax(message: impl Into<String>, span: Range<usize>) -> ExprError {
    ExprError { code: "TG201", message: message.into(), span, help: None }
}

fn convert(source: &str, tokens: &[Token<'_>], errors: ParseErrors) -> Vec<ExprError> {
    let mut converted: Vec<ExprError> = Vec::new();
    for error in errors.errors {
        let span = place_of(source, tokens, &error);
        let repeated = converted.iter().any(|known| known.span == span);
        if !repeated && converted.len() < SYNTAX_ERRORS_LIMIT {
            let mut fault = syntax(wording(&error.msg), span.clone());
            fault.help = if error.msg.contains("has() macro") {
                Some("write has(args.name), or \"name\" in args".to_owned())
            } else {
                advice(source, span)
            };
            converted.push(fault);
        }
    }
    if converted.is_empty() {
        converted.push(syntax("this cannot be parsed", 0..source.len()));
    }
    converted
}

/// The parser counts lines and columns from 1, in characters.
fn place_of(source: &str, tokens: &[Token<'_>], error: &ParseError) -> Range<usize> {
    let (line, column) = error.pos;
    let (Ok(line), Ok(column)) = (usize::try_from(line), usize::try_from(column)) else {
        return 0..source.len();
    };
    let Some(text) = source.split('\n').nth(line.saturating_sub(1)) else {
        return 0..source.len();
    };
    let before: usize = source.split('\n').take(line.saturating_sub(1)).map(|l| l.len() + 1).sum();
    let within = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    let start = before + within;
    match tokens.iter().find(|token| token.span().contains(&start)) {
        Some(token) => token.span(),
        None => tokens.last().map_or(0..source.len(), Token::span),
    }
}

fn wording(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let read = message.split(" expecting ").next().unwrap_or(message);
    if read.contains("<EOF>") {
        return "the expression ends too early".to_owned();
    }
    if message.contains("has() macro") {
        return "`has` takes a field".to_owned();
    }
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return format!("`{word}` is a reserved word");
    }
    if let Some((what, _)) = message.split_once(" expecting ") {
        let what = what.replace("mismatched input", "did not expect");
        return what.replace("extraneous input", "did not expect").replace('\'', "`");
    }
    message.replace("no viable alternative at input", "cannot read").replace('\'', "`")
}

fn advice(source: &str, span: Range<usize>) -> Option<String> {
    let word = source.get(span.clone())?;
    let selected = source.get(..span.start)?.trim_end().ends_with('.');
    let advice = match word {
        "and" | "AND" => "write `&&`",
        "or" | "OR" => "write `||`",
        "not" | "NOT" => "write `!`",
        "in" | "true" | "false" | "null" if selected => {
            return Some(format!("write [\"{word}\"] instead of .{word}"));
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

impl Places {
    /// The token a node is named after: an identifier, a literal, an operator, the dot of a
    /// selection, the bracket of a call.
    pub fn token(&self, id: u64) -> Range<usize> {
        let start = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let end = self.tokens.get(&start).map_or(self.source_len, |(_, end)| *end);
        start.min(end)..end
    }

    /// The name after the dot of a selection.
    pub fn field(&self, id: u64) -> Range<usize> {
        let dot = self.token(id);
        let mut after = self.tokens.range(dot.end..);
        after
            .find(|(_, (kind, _))| *kind != Kind::Symbol)
            .map_or(dot, |(start, (_, end))| *start..*end)
    }

    /// The function's name before the bracket of a call; an operator's own token.
    pub fn function(&self, id: u64) -> Range<usize> {
        let bracket = self.token(id);
        match self.tokens.range(..bracket.start).next_back() {
            Some((start, (Kind::Name, end))) if self.opens_call(bracket.start) => *start..*end,
            _ => bracket,
        }
    }

    fn opens_call(&self, start: usize) -> bool {
        self.info.source.get(start..).is_some_and(|rest| rest.starts_with('('))
    }

    /// Everything a node covers, as far as its tokens tell. Recursion is bounded by the scanner.
    pub fn extent(&self, expr: &IdedExpr) -> Range<usize> {
        let mut extent = match &expr.expr {
            Expr::Select(_) => self.field(expr.id),
            Expr::Call(_) => self.function(expr.id),
            _ => self.token(expr.id),
        };
        if let Some(end) = self.closings.get(&self.token(expr.id).start) {
            extent.end = extent.end.max(*end);
        }
        for child in children(expr) {
            let inner = self.extent(child);
            extent = extent.start.min(inner.start)..extent.end.max(inner.end);
        }
        extent
    }
}

/// Brackets are known to match.
fn closings(tokens: &[Token<'_>]) -> BTreeMap<usize, usize> {
    let mut open = Vec::new();
    let mut closings = BTreeMap::new();
    for token in tokens {
        match token.text {
            "(" | "[" | "{" => open.push(token.start),
            ")" | "]" | "}" => {
                if let Some(start) = open.pop() {
                    closings.insert(start, token.span().end);
                }
            }
            _ => {}
        }
    }
    closings
}

/// The parts of a node that the author wrote.
fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(fold) => vec![&fold.iter_range, &fold.loop_step],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Expr::Select(select) => vec![&select.operand],
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => Vec::new(),
    }
}
