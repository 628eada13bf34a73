//! The kind of a parsed statement, and the tables it names.

use std::ops::ControlFlow;

use sqlparser::ast::{
    self, CopySource, Expr, GrantObjects, Ident, ObjectName, ObjectNamePart, Query, Select,
    TableFactor, UtilityOption, Visit, Visitor,
};
use sqlparser::tokenizer::Location;

use super::Statement;

/// Lists `parsed`, whose first keyword is given, and the statements inside it. Gives the names in it
/// that T-SQL may read as the start of a further statement.
pub(super) fn list(
    parsed: &ast::Statement,
    keyword: &str,
    statements: &mut Vec<Statement>,
) -> Vec<Location> {
    let mut facts = Facts::default();
    let _ = parsed.visit(&mut facts);
    facts.name_tables(parsed);
    let kind = match parsed {
        ast::Statement::Query(_) => facts.query_kind(),
        ast::Statement::Explain { analyze, options, statement, .. } => {
            if *analyze || runs(options.as_deref()) {
                match statement.as_ref() {
                    ast::Statement::Query(_) => facts.query_kind(),
                    other => kind_of(other),
                }
            } else {
                "explain"
            }
        }
        other => match kind_of(other) {
            OTHER => synonym(keyword),
            kind => kind,
        },
    };
    let kind = kind.to_owned();
    // The first is the statement itself; those of a query have given it its kind already.
    let inner = match parsed {
        ast::Statement::Query(_) | ast::Statement::Explain { .. } => Vec::new(),
        _ => facts.kinds.split_off(facts.kinds.len().min(1)),
    };
    let of_kind =
        |kind| Statement { kind, tables: facts.tables.clone(), functions: facts.functions.clone() };
    statements.push(of_kind(kind));
    statements.extend(inner.into_iter().map(|kind| of_kind(kind.to_owned())));
    facts.keywords
}

const OTHER: &str = "other";

/// Keywords that mean the same.
fn synonym(keyword: &str) -> &str {
    match keyword {
        "desc" | "describe" => "explain",
        "exec" => "execute",
        "start" => "begin",
        "end" => "commit",
        "" => OTHER,
        keyword => keyword,
    }
}

/// The kind of the statements that rules ask for; [`OTHER`] goes by its keyword.
fn kind_of(statement: &ast::Statement) -> &'static str {
    use ast::Statement as S;
    match statement {
        S::Query(_) => "select",
        S::Insert(_) => "insert",
        S::Update(_) => "update",
        S::Delete(_) => "delete",
        S::Merge(_) => "merge",
        S::Truncate(_) => "truncate",
        S::Drop { .. } => "drop",
        S::CreateTable(_) | S::CreateView(_) | S::CreateIndex(_) => "create",
        S::AlterTable(_) => "alter",
        S::Copy { .. } => "copy",
        S::Call(_) => "call",
        S::Execute { .. } => "execute",
        S::Grant(_) => "grant",
        S::Revoke(_) => "revoke",
        _ => OTHER,
    }
}

/// Whether `EXPLAIN (…)` runs what it explains: `ANALYZE` counts however it is switched off, for
/// databases disagree on the words for "off".
fn runs(options: Option<&[UtilityOption]>) -> bool {
    options
        .unwrap_or_default()
        .iter()
        .any(|option| option.name.value.eq_ignore_ascii_case("analyze"))
}

/// Reserved words that begin a statement in T-SQL, which needs no `;` before it
/// (Transact-SQL reference, "Reserved keywords").
const STATEMENT_WORDS: &[&str] = &[
    "alter",
    "backup",
    "begin",
    "bulk",
    "checkpoint",
    "close",
    "commit",
    "create",
    "dbcc",
    "deallocate",
    "declare",
    "delete",
    "deny",
    "drop",
    "dump",
    "exec",
    "execute",
    "fetch",
    "goto",
    "grant",
    "if",
    "insert",
    "kill",
    "load",
    "merge",
    "open",
    "print",
    "raiserror",
    "readtext",
    "reconfigure",
    "restore",
    "return",
    "revert",
    "revoke",
    "rollback",
    "save",
    "set",
    "shutdown",
    "truncate",
    "update",
    "updatetext",
    "use",
    "waitfor",
    "while",
    "writetext",
];

#[derive(Default)]
struct Facts {
    /// Kinds of the statements met, the outermost first.
    kinds: Vec<&'static str>,
    makes_table: bool,
    locks: bool,
    /// Where a name is one of [`STATEMENT_WORDS`].
    keywords: Vec<Location>,
    tables: Vec<String>,
    functions: Vec<String>,
}

impl Facts {
    /// The kind of a query: what it does beyond reading comes first.
    fn query_kind(&self) -> &'static str {
        let writes = self.kinds.iter().find(|kind| !matches!(**kind, "select" | OTHER));
        match writes {
            Some(kind) => kind,
            None if self.makes_table => "select_into",
            None if self.locks => "select_for_update",
            None => "select",
        }
    }

    fn name_table(&mut self, name: &ObjectName) {
        let name = written(name);
        if !self.tables.contains(&name) {
            self.tables.push(name);
        }
    }

    fn name_function(&mut self, name: &ObjectName) {
        let name = written(name);
        if !self.functions.contains(&name) {
            self.functions.push(name);
        }
    }

    /// What `SELECT … INTO` writes to, where that is a table.
    fn name_target(&mut self, target: &Expr) {
        match target {
            Expr::Identifier(name) => self.name_table(&ObjectName::from(name.clone())),
            Expr::CompoundIdentifier(parts) => self.name_table(&ObjectName::from(parts.clone())),
            _ => {}
        }
    }

    /// Names that the parser does not mark as tables.
    fn name_tables(&mut self, statement: &ast::Statement) {
        use ast::Statement as S;
        match statement {
            S::Call(function) => self.name_function(&function.name),
            S::Drop { names, .. } => names.iter().for_each(|name| self.name_table(name)),
            S::AlterView { name, .. } | S::AlterIndex { name, .. } => self.name_table(name),
            S::Copy { source: CopySource::Table { table_name, .. }, .. } => {
                self.name_table(table_name);
            }
            S::Comment { object_name, .. } => self.name_table(object_name),
            S::RenameTable(renames) => {
                for rename in renames {
                    self.name_table(&rename.old_name);
                    self.name_table(&rename.new_name);
                }
            }
            S::Grant(ast::Grant { objects, .. }) => self.name_objects(objects.as_ref()),
            S::Revoke(ast::Revoke { objects, .. }) => self.name_objects(objects.as_ref()),
            _ => {}
        }
    }

    fn name_objects(&mut self, objects: Option<&GrantObjects>) {
        if let Some(GrantObjects::Tables(names)) = objects {
            names.iter().for_each(|name| self.name_table(name));
        }
    }
}

/// A name as rules see it.
fn written(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(part) => part.value.to_lowercase(),
        ObjectNamePart::Function(part) => part.name.value.to_lowercase(),
    });
    parts.collect::<Vec<_>>().join(".")
}

impl Visitor for Facts {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &ast::Statement) -> ControlFlow<()> {
        self.kinds.push(kind_of(statement));
        ControlFlow::Continue(())
    }

    fn pre_visit_ident(&mut self, name: &Ident) -> ControlFlow<()> {
        let is_word = |word: &str| name.value.eq_ignore_ascii_case(word);
        if name.quote_style.is_none() && STATEMENT_WORDS.iter().any(|word| is_word(word)) {
            self.keywords.push(name.span.start);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.locks |= !query.locks.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            self.makes_table = true;
            into.targets.iter().for_each(|target| self.name_target(target));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.name_table(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Function { name, .. } => {
                self.name_table(name);
                self.name_function(name);
            }
            TableFactor::Table { name, args: Some(_), .. } => self.name_function(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression {
            self.name_function(&function.name);
        }
        ControlFlow::Continue(())
    }
}
