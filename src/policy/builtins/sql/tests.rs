//! What a statement does must not hide behind how it begins, or behind how one database reads it.

use proptest::prelude::*;

use super::{Statement, sql};

fn read(text: &str) -> Vec<Statement> {
    sql(text).unwrap_or_else(|fault| panic!("{text:?}: {fault}"))
}

fn kinds(text: &str) -> Vec<String> {
    read(text).into_iter().map(|statement| statement.kind).collect()
}

fn tables(text: &str) -> Vec<String> {
    read(text).into_iter().flat_map(|statement| statement.tables).collect()
}

fn only_selects(text: &str) -> bool {
    sql(text).is_ok_and(|statements| statements.iter().all(|s| s.kind == "select"))
}

#[test]
fn plain_queries_are_selects() {
    for text in [
        "SELECT 1",
        "select * from t;",
        ";;SELECT 1;;",
        "SELECT 'DROP TABLE t'",
        "SELECT 'it''s; DROP TABLE t'",
        "SELECT \"DROP TABLE\" FROM t",
        "SELECT 1 -- DROP TABLE t",
        "SELECT 1 /* DROP TABLE t */ + 2",
        "SELECT a FROM t WHERE b = 'x' ORDER BY c LIMIT 10 OFFSET 5",
        "SELECT a, count(*) FROM t GROUP BY a HAVING count(*) > 1",
        "SELECT * FROM a JOIN b ON a.id = b.id LEFT JOIN c USING (id)",
        "SELECT * FROM t WHERE id IN (SELECT id FROM u)",
        "SELECT * FROM t WHERE id = $1 AND name = ?",
        "SELECT * FROM t WHERE id = :id",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT * FROM x",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3",
        "VALUES (1), (2)",
        "SELECT CASE WHEN a THEN 'delete' ELSE 'drop' END FROM t",
        "SELECT update_at, deleted FROM inserts",
        "SELECT a::int, b->>'c' FROM t",
        "SELECT a #>> '{b,c}' FROM t",
        "SELECT ARRAY['a', 'b'], x[1] FROM t",
        "SELECT `a` FROM `t`",
        "SELECT [a] FROM [t]",
        "SELECT TOP 5 * FROM t",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
        "SELECT 'C:\\dir\\file'",
        "SELECT 'two\\\\'",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT open, high, close FROM t WHERE open > close ORDER BY close, open",
        "SELECT a AS open, t.close FROM t",
        "SELECT replace(a, 'x', 'y'), if(a, 1, 2), a + close FROM t",
    ] {
        assert_eq!(kinds(text), ["select"], "{text}");
    }
    assert!(kinds("").is_empty());
    assert!(kinds(" -- nothing\n/* at all */").is_empty());
}

#[test]
fn a_statement_has_the_kind_of_what_it_does() {
    for (text, kind) in [
        ("INSERT INTO t VALUES (1)", "insert"),
        ("REPLACE INTO t VALUES (1)", "insert"),
        ("insert into t select * from u", "insert"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1", "insert"),
        ("UPDATE t SET a = 1", "update"),
        ("DELETE FROM t", "delete"),
        ("DELETE FROM t RETURNING *", "delete"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "merge"),
        ("TRUNCATE t", "truncate"),
        ("TRUNCATE TABLE t CASCADE", "truncate"),
        ("DROP TABLE t", "drop"),
        ("DROP DATABASE d", "drop"),
        ("DROP FUNCTION f", "drop"),
        ("ALTER TABLE t DROP COLUMN a", "alter"),
        ("ALTER ROLE r WITH SUPERUSER", "alter"),
        ("CREATE TABLE t (a int)", "create"),
        ("CREATE TABLE t AS SELECT 1", "create"),
        ("CREATE VIEW v AS SELECT 1", "create"),
        ("CREATE INDEX i ON t (a)", "create"),
        ("CREATE EXTENSION dblink", "create"),
        ("CREATE FUNCTION f() RETURNS int AS 'DELETE FROM t' LANGUAGE sql", "create"),
        ("GRANT ALL ON t TO u", "grant"),
        ("REVOKE ALL ON t FROM u", "revoke"),
        ("SET ROLE admin", "set"),
        ("RESET ALL", "reset"),
        ("COPY t FROM PROGRAM 'id'", "copy"),
        ("COPY t TO '/tmp/x'", "copy"),
        ("CALL p()", "call"),
        ("EXEC p", "execute"),
        ("EXECUTE p", "execute"),
        ("LOCK TABLE t", "lock"),
        ("VACUUM", "vacuum"),
        ("ATTACH DATABASE 'x' AS y", "attach"),
        ("PRAGMA writable_schema = 1", "pragma"),
        ("USE d", "use"),
        ("SHOW TABLES", "show"),
        ("DESCRIBE t", "explain"),
        ("EXPLAIN DELETE FROM t", "explain"),
        ("EXPLAIN ANALYZE DELETE FROM t", "delete"),
        ("EXPLAIN (ANALYZE) UPDATE t SET a = 1", "update"),
        ("EXPLAIN (VERBOSE, analyze true, COSTS off) INSERT INTO t VALUES (1)", "insert"),
        ("EXPLAIN ANALYZE WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "delete"),
        ("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "create"),
        ("SELECT * INTO t FROM u", "select_into"),
        ("SELECT * INTO TEMPORARY t FROM u", "select_into"),
        ("SELECT 1 UNION SELECT * INTO t FROM u", "select_into"),
        ("SELECT * FROM (SELECT a INTO t FROM u) x", "select_into"),
        ("SELECT * FROM t FOR UPDATE", "select_for_update"),
        ("SELECT * FROM t FOR SHARE", "select_for_update"),
        ("SELECT * FROM (SELECT * FROM t FOR UPDATE) x", "select_for_update"),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "delete"),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x", "update"),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT 1", "insert"),
        ("WITH a AS (SELECT 1), b AS (DELETE FROM t RETURNING 1) SELECT * FROM a", "delete"),
        ("WITH a AS (WITH b AS (DELETE FROM t RETURNING 1) SELECT * FROM b) SELECT 1", "delete"),
        ("SELECT * FROM (WITH b AS (DELETE FROM t RETURNING 1) SELECT * FROM b) x", "delete"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "delete"),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", "update"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "insert"),
        ("DeLeTe\n/* */FROM t", "delete"),
        ("/* SELECT */ DELETE FROM t", "delete"),
        ("-- SELECT\nDELETE FROM t", "delete"),
    ] {
        assert_eq!(kinds(text), [kind], "{text}");
    }
}

#[test]
fn every_statement_is_listed() {
    assert_eq!(kinds("SELECT 1; DROP TABLE t"), ["select", "drop"]);
    assert_eq!(kinds("SELECT ';'; DROP TABLE t; --"), ["select", "drop"]);
    assert_eq!(kinds("SELECT 1;\n;\nDELETE FROM t;"), ["select", "delete"]);
    assert_eq!(kinds("BEGIN; DELETE FROM t; COMMIT"), ["begin", "delete", "commit"]);
    assert_eq!(kinds("BEGIN DELETE FROM t; END"), ["begin", "delete"]);
    assert_eq!(kinds("PREPARE p AS DELETE FROM t"), ["prepare", "delete"]);
    assert_eq!(kinds("COPY (DELETE FROM t RETURNING *) TO STDOUT"), ["copy", "delete"]);
}

#[test]
fn tables_are_named_wherever_they_stand() {
    assert_eq!(tables("SELECT * FROM Users"), ["users"]);
    assert_eq!(tables("SELECT * FROM a, b JOIN c ON true"), ["a", "b", "c"]);
    assert_eq!(
        tables("SELECT (SELECT 1 FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c)"),
        ["a", "b", "c"]
    );
    assert_eq!(
        tables("SELECT * FROM \"Public\".\"Users\" u, `x`, [Y].[Z]"),
        ["public.users", "x", "y.z"]
    );
    assert_eq!(tables("WITH x AS (SELECT * FROM secret) SELECT * FROM x"), ["secret", "x"]);
    assert_eq!(tables("INSERT INTO a SELECT * FROM b"), ["a", "b"]);
    assert_eq!(
        tables("UPDATE a SET x = (SELECT 1 FROM b) WHERE y IN (SELECT 1 FROM c)"),
        ["a", "b", "c"]
    );
    assert_eq!(tables("DELETE FROM a USING b WHERE a.x = b.x"), ["a", "b"]);
    assert_eq!(tables("MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE"), ["a", "b"]);
    assert_eq!(
        tables("SELECT 1 FROM a ORDER BY (SELECT 1 FROM b) LIMIT (SELECT 1 FROM c)"),
        ["a", "b", "c"]
    );
    assert_eq!(tables("SELECT 1 FROM a UNION SELECT 2 FROM b"), ["a", "b"]);
    assert_eq!(tables("SELECT * INTO s.a FROM b"), ["s.a", "b"]);
    assert_eq!(tables("SELECT * FROM pg_read_file('/etc/passwd')"), ["pg_read_file"]);
    for text in [
        "DROP TABLE a, s.b",
        "TRUNCATE a, s.b",
        "GRANT SELECT ON a, s.b TO c",
        "REVOKE ALL ON a, s.b FROM c",
        "RENAME TABLE a TO s.b",
        "SELECT * FROM a NATURAL JOIN s.b",
        "CREATE TABLE a AS SELECT * FROM s.b",
        "CREATE VIEW a AS SELECT * FROM s.b",
    ] {
        assert_eq!(tables(text), ["a", "s.b"], "{text}");
    }
    for text in [
        "ALTER TABLE a ADD b int",
        "COPY a FROM STDIN",
        "LOCK TABLE a",
        "ANALYZE a",
        "CREATE INDEX i ON a (b)",
        "DESCRIBE a",
        "EXPLAIN SELECT * FROM a",
        "COMMENT ON TABLE a IS 'x'",
    ] {
        assert_eq!(tables(text), ["a"], "{text}");
    }
}

#[test]
fn what_databases_read_differently_is_refused() {
    for text in [
        // A backslash escapes a quote to MySQL only.
        "SELECT '\\'; DROP TABLE t; -- '",
        "SELECT 'a\\\\\\'; DROP TABLE t; -- '",
        "SELECT \"\\\"; DROP TABLE t; -- \"",
        "SELECT E'\\'; DROP TABLE t; -- '",
        // `--` needs a blank to MySQL only, `#` begins a comment to MySQL only.
        "SELECT 1--1; DROP TABLE t",
        "SELECT 1 --x\n; DROP TABLE t",
        "SELECT 1 # ; DROP TABLE t",
        "SELECT 1 #> '\n; DROP TABLE t -- '",
        "SELECT 1 // ; DROP TABLE t",
        // Comments that run, and comments in comments.
        "SELECT 1 /*! ; DROP TABLE t */",
        "SELECT 1 /*!50000 ; DROP TABLE t */",
        "SELECT 1 /*M! ; DROP TABLE t */",
        "/*!DROP TABLE t*/",
        "SELECT 1 /* /* */ ; DROP TABLE t -- */",
        "SELECT 1 -- \r; DROP TABLE t",
        // Quoting that only some know.
        "SELECT $$; DROP TABLE t; $$",
        "SELECT $x$ ' $x$; DROP TABLE t; -- '",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "SELECT q'[']'; DROP TABLE t; --'",
        "SELECT nq'{'}'; DROP TABLE t; --'",
        "SELECT [']; DROP TABLE t; -- ']",
        "SELECT [-- ]\n; DROP TABLE t",
        "SELECT [/* ]; DROP TABLE t; */]",
        "SELECT [a;DROP TABLE t;b]",
        "\\! rm -rf /",
        "SELECT 1 \\; DROP TABLE t",
        "SELECT 1\u{0}; DROP TABLE t",
        "SELECT '\u{0}'",
        "SELECT 1\u{1b}",
    ] {
        let fault = sql(text).expect_err(text);
        assert!(fault.message.contains("differently"), "{text}: {fault}");
    }
}

#[test]
fn what_is_not_sql_is_refused() {
    for text in [
        "hello",
        "SELECT WHERE FROM",
        "SELECT 'open",
        "SELECT \"open",
        "SELECT /* open",
        "SELECT (1",
        "SELECT 1 DROP TABLE t",
        // SQL Server needs no `;` between statements.
        "SELECT 1 DELETE FROM t",
        "SELECT a FROM t DELETE",
        "SELECT a DROP, b FROM t",
        "SELECT 1 SHUTDOWN",
        "SELECT (1) shutdown",
        "SELECT 'x' EXEC",
        "SELECT * FROM t RECONFIGURE",
        "SELECT * FROM [t] SHUTDOWN",
        "SELECT * FROM t -- x\n SHUTDOWN",
        "SELECT * FROM t JOIN u SHUTDOWN ON 1=1",
        "SELECT 1 x; SELECT 1 SHUTDOWN",
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "SELECT 1 INTO DUMPFILE '/tmp/x'",
        "SELECT 1; garbage",
        "xp_cmdshell 'dir'",
    ] {
        assert!(sql(text).is_err(), "{text}: {:?}", sql(text));
        assert!(sql(text).unwrap_err().message.len() < 200);
    }
}

#[test]
fn a_write_never_passes_as_a_select() {
    let hidden = [
        "SELECT 1; DELETE FROM t",
        "SELECT 1;DELETE FROM t",
        "SELECT 1 UNION SELECT 2; DROP TABLE t",
        "SELECT ''';'; DROP TABLE t; --'",
        "SELECT 1 /**/; /**/DROP/**/TABLE t",
        "WITH t AS (SELECT 1) DELETE FROM u",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SELECT * INTO x FROM y",
        "(WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x)",
        "SELECT (WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x)",
        "BEGIN; SELECT 1; DROP TABLE t; END",
        "SET x = 1; SELECT 1",
    ];
    for text in hidden {
        assert!(!only_selects(text), "{text}");
    }
}

#[test]
fn reading_is_bounded() {
    let nest = |start: &str, open: &str, close: &str, n: usize| {
        format!("{start}{}1{}", open.repeat(n), close.repeat(n))
    };
    // As much stack as a server's worker thread has.
    let reader = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        for (start, open, close) in [
            ("SELECT ", "(", ")"),
            ("SELECT ", "(1+", ")"),
            ("SELECT ", "f(", ")"),
            ("SELECT ", "(SELECT ", ")"),
            ("SELECT ", "CASE WHEN ", " THEN 1 END"),
            ("SELECT ", "NOT ", ""),
            ("SELECT ", "- ", ""),
            ("SELECT ", "x IN (", ")"),
            ("SELECT ", "CAST(", " AS int)"),
            ("SELECT ", "INTERVAL ", ""),
            ("SELECT ", "[", "]"),
            ("SELECT ", "{'a':", "}"),
            ("SELECT a", "[", "]"),
            ("SELECT 1", "::int", ""),
            ("SELECT 1", "+1", ""),
            ("SELECT 1", " AND 1", ""),
            ("SELECT 1", " UNION SELECT 1", ""),
            ("SELECT 1", " IS NULL", ""),
            ("SELECT a", ".a", ""),
            ("SELECT * FROM a", " JOIN a", ""),
            ("SELECT * FROM ", "(", ")"),
            ("SELECT * FROM ", "(a JOIN ", " ON 1=1)"),
            ("SELECT * FROM ", "(SELECT * FROM ", ")"),
            ("SELECT * FROM a MATCH_RECOGNIZE(PATTERN (", "(", ")) DEFINE a AS 1=1)"),
            ("", "(", ")"),
            ("", "EXPLAIN ", ""),
            ("", "BEGIN ", "; END"),
            ("", "IF 1=1 THEN ", "; END IF"),
            ("", "WITH a AS (SELECT ", ") SELECT 1"),
            ("", "PREPARE x AS ", ""),
            ("", "SELECT 1;", ""),
        ] {
            for n in [4, 10, 16, 24, 32, 40, 1_000, 16 * 1024 / (open.len() + close.len()) - 8] {
                let _ = sql(&nest(start, open, close, n));
            }
        }
    });
    reader.unwrap().join().unwrap();
    assert!(sql(&nest("SELECT ", "(", ")", 8)).is_ok());
    assert!(sql(&nest("SELECT ", "(", ")", 60)).is_err());
    assert!(sql(&"SELECT 1;".repeat(256)).is_ok());
    assert!(sql(&"SELECT 1;".repeat(257)).is_err());
    assert!(sql(&format!("SELECT '{}'", "x".repeat(16_000))).is_ok());
    assert!(sql(&format!("SELECT '{}'", "x".repeat(17_000))).is_err());
}

fn sqlish() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "SELECT ",
        "1",
        " ",
        "\n",
        ",",
        "* ",
        "FROM ",
        "t ",
        "a",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "''",
        "\"",
        "`",
        ";",
        "--",
        "-- ",
        "/*",
        "*/",
        "/*!",
        "#",
        "\\",
        "$$",
        "$1",
        "WITH x AS (",
        "DELETE FROM ",
        "UPDATE ",
        "SET a=",
        "INSERT INTO ",
        "VALUES ",
        "JOIN ",
        "ON ",
        "WHERE ",
        "AND ",
        "OR ",
        "NOT ",
        "IN ",
        "EXISTS ",
        "CASE ",
        "WHEN ",
        "THEN ",
        "END ",
        "CAST(",
        "::int",
        "INTERVAL ",
        "UNION ",
        "EXPLAIN ",
        "ANALYZE ",
        "INTO ",
        "FOR UPDATE ",
        "BEGIN ",
        "CREATE TABLE ",
        "DROP TABLE ",
        "int ",
        "=",
        "<",
        "+",
        "|>",
        "E'",
        "q'",
        "N'",
        "é",
        "\u{0}",
        "LATERAL ",
        "GROUP BY ",
        "OVER (",
        "@x",
        ":x",
        "?",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_sql_like_text(text in sqlish()) {
        let _ = sql(&text);
    }

    #[test]
    fn nothing_panics_on_any_text(text in any::<String>()) {
        let _ = sql(&text);
    }

    /// What stands in front of a statement does not hide it.
    #[test]
    fn a_drop_after_anything_readable_is_seen(prefix in sqlish()) {
        if let Ok(before) = sql(&prefix)
            && let Ok(statements) = sql(&format!("{prefix}\n; DROP TABLE t"))
        {
            prop_assert!(statements.len() > before.len());
            prop_assert_eq!(statements.last().map(|s| s.kind.as_str()), Some("drop"));
        }
    }
}

#[test]
fn functions_are_named_wherever_they_are_called() {
    for (text, functions) in [
        ("SELECT pg_read_file('/etc/passwd')", vec!["pg_read_file"]),
        ("SELECT * FROM pg_read_file('/etc/passwd')", vec!["pg_read_file"]),
        ("SELECT * FROM a, LATERAL pg_ls_dir(a.path)", vec!["pg_ls_dir"]),
        ("SELECT Pg_Catalog.\"pg_read_file\"('x')", vec!["pg_catalog.pg_read_file"]),
        ("SELECT 1 WHERE length(load_file('x')) > 1", vec!["length", "load_file"]),
        (
            "WITH x AS (SELECT dblink('y')) SELECT count(*), count(1) FROM x",
            vec!["dblink", "count"],
        ),
        ("SELECT a FROM t ORDER BY pg_sleep(9)", vec!["pg_sleep"]),
        ("CALL drop_everything(1)", vec!["drop_everything"]),
        ("SELECT 'pg_read_file(1)', pg_read_file FROM t", vec![]),
    ] {
        let found: Vec<String> = read(text).into_iter().flat_map(|s| s.functions).collect();
        assert_eq!(found, functions, "{text}");
    }
}
