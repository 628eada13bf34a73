//! What a text of SQL does, and to which tables.
//!
//! A heuristic: it sees what statements say, not what the functions, views and triggers they touch
//! do (`pg_sleep`, `lo_import`, `load_file`, `dblink`): rules may name functions, and the tool's
//! account should not be able to run those that matter. Text that databases read differently is refused rather than guessed at.

mod lexical;
mod statement;

#[cfg(test)]
mod tests;

use sqlparser::dialect::{
    Dialect, GenericDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect,
};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::BuiltinError;

/// Longest text that is read.
const TEXT_LIMIT_BYTES: usize = 16 * 1024;
/// Deepest nesting of expressions and queries.
const DEPTH_LIMIT: usize = 32;
/// Stack for the parser, which uses up to 200 KiB of it a level in unoptimised builds. Reserved, not
/// touched: a plain statement costs a few pages.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// Most statements in one text.
const STATEMENTS_LIMIT: usize = 256;

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// What it does, in lower case: its first keyword (`insert`, `update`, `drop`, `set`, `copy`,
    /// `explain` …). A query is `select` only when it does nothing else: one that writes through
    /// `WITH` has the kind of what it writes (`delete`), one that makes a table is `select_into`,
    /// one that locks rows `select_for_update`. `EXPLAIN ANALYZE` has the kind of what it runs.
    pub kind: String,
    /// Tables it names, in lower case, `schema.table` where written so, each once, in order of
    /// appearance. Names that `WITH` introduces and table functions are among them.
    pub tables: Vec<String>,
    /// Functions it calls, in lower case, `schema.function` where written so, each once, in order of
    /// appearance; procedures of `CALL` and table functions too. What they do is not known here.
    pub functions: Vec<String>,
}

/// The statements of `text`; those inside another one (`PREPARE`, `BEGIN … END`) follow it.
///
/// # Errors
/// Text that is not SQL to any of the common databases, that they read differently, or beyond the
/// bounds: 16 KiB, 32 levels of nesting, 256 statements.
pub fn sql(text: &str) -> Result<Vec<Statement>, BuiltinError> {
    if text.len() > TEXT_LIMIT_BYTES {
        return Err(BuiltinError::new(format!("the SQL is longer than {TEXT_LIMIT_BYTES} bytes")));
    }
    lexical::unambiguous(text)?;
    stacker::grow(STACK_BYTES, || read_in_some_dialect(text))
}

fn read_in_some_dialect(text: &str) -> Result<Vec<Statement>, BuiltinError> {
    let dialects: [&dyn Dialect; 5] = [
        &GenericDialect {},
        &PostgreSqlDialect {},
        &MySqlDialect {},
        &SQLiteDialect {},
        &MsSqlDialect {},
    ];
    let mut first_fault = None;
    for dialect in dialects {
        match read(dialect, text) {
            Ok(statements) => return Ok(statements),
            // No other reading would help, and each costs as much again.
            Err(ParserError::RecursionLimitExceeded) => {
                return Err(BuiltinError::new("the SQL is nested too deeply"));
            }
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    let fault = first_fault.map(|fault| fault.to_string()).unwrap_or_default();
    let fault: String = fault.chars().take(120).collect();
    Err(BuiltinError::new(format!("not readable as SQL: {fault}")))
}

fn read(dialect: &dyn Dialect, text: &str) -> Result<Vec<Statement>, ParserError> {
    let mut parser = Parser::new(dialect).with_recursion_limit(DEPTH_LIMIT).try_with_sql(text)?;
    let mut statements = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let keyword = match parser.peek_token().token {
            Token::EOF => return Ok(statements),
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => String::new(),
        };
        let parsed = parser.parse_statement()?;
        // Some databases need no `;` between statements. What they would run is refused here.
        if !matches!(parser.peek_token().token, Token::SemiColon | Token::EOF) {
            return Err(ParserError::ParserError("expected the end of the statement".to_owned()));
        }
        let keywords = statement::list(&parsed, &keyword, &mut statements);
        if !keywords.is_empty() && begins_another(dialect, text, &keywords)? {
            return Err(ParserError::ParserError(
                "a name that SQL Server reads as the start of another statement".to_owned(),
            ));
        }
        if statements.len() > STATEMENTS_LIMIT {
            return Err(ParserError::ParserError("too many statements".to_owned()));
        }
    }
}

/// Whether a name at one of these places stands where a statement could have ended: `SELECT 1 DELETE
/// FROM t` has an alias `DELETE` to most databases, and is two statements to SQL Server.
fn begins_another(
    dialect: &dyn Dialect,
    text: &str,
    names: &[Location],
) -> Result<bool, ParserError> {
    const CONTINUING: &[&str] = &[
        "select",
        "distinct",
        "all",
        "from",
        "where",
        "by",
        "and",
        "or",
        "not",
        "on",
        "as",
        "when",
        "then",
        "else",
        "case",
        "in",
        "like",
        "between",
        "having",
        "join",
        "set",
        "values",
        "into",
        "table",
        "column",
        "returning",
        "limit",
        "offset",
        "using",
        "is",
        "any",
        "exists",
        "only",
        "update",
        "delete",
        "insert",
    ];
    let tokens = Tokenizer::new(dialect, text).tokenize_with_location()?;
    let mut ended = false;
    for token in &tokens {
        if ended && names.contains(&token.span.start) {
            return Ok(true);
        }
        ended = match &token.token {
            Token::Whitespace(_) => ended,
            Token::Word(word) => {
                word.quote_style.is_some()
                    || !CONTINUING.iter().any(|known| word.value.eq_ignore_ascii_case(known))
            }
            Token::Comma | Token::Period | Token::LParen | Token::LBracket => false,
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => false,
            Token::Plus | Token::Minus | Token::Div | Token::Mod | Token::StringConcat => false,
            _ => true,
        };
    }
    Ok(false)
}
