//! Functions that read commands, SQL, addresses and paths, from within expressions.

use super::{Site, World, kind, program};
use crate::policy::expr::EvalErrorKind as Kind;

fn world() -> World {
    World::new(
        r#"{"command": "sudo rm -rf /etc/passwd && ls /workspace/tmp", "query": "SELECT * FROM Users",
            "bad": "DROP TABLE users; SELECT 1", "url": "https://api.corp.example:8443/v1?q=1",
            "ip": "10.1.2.3", "to": "Ann@Example.COM", "path": "/workspace/tmp/../../etc/passwd",
            "inside": "/workspace/tmp/a.txt"}"#,
    )
}

#[test]
fn each_is_wired_with_its_fields() {
    let world = world();
    for source in [
        "shell(args.command).exists(c, c.name == \"rm\" && c.has(\"r\", \"R\", \"recursive\"))",
        "shell(args.command).exists(c, c.name == \"rm\" && \"/etc/passwd\" in c.paths)",
        "shell(args.command).exists(c, c.flags.exists(f, f == \"f\") && c.args.size() > 0)",
        "!shell(args.command).exists(c, c.has(\"z\"))",
        "sql(args.query).all(s, s.kind == \"select\" && s.tables == [\"users\"])",
        "!sql(args.bad).all(s, s.kind == \"select\")",
        "url(args.url).scheme == \"https\" && url(args.url).host == \"api.corp.example\"",
        "url(args.url).port == 8443 && url(args.url).path == \"/v1\"",
        "has(url(args.url).query) && !has(url(args.url).user)",
        "host(args.url) == \"api.corp.example\" && host(args.url).endsWith(\".corp.example\")",
        "ip(args.ip).isPrivate() && !ip(args.ip).isLoopback() && !ip(args.ip).isLinkLocal()",
        "cidr(\"10.0.0.0/8\").containsIP(args.ip)",
        "cidr(\"10.0.0.0/8\").contains(ip(args.ip))",
        "!cidr(\"192.168.0.0/16\").contains(args.ip)",
        "ip(args.ip) == ip(\"10.1.2.3\") && string(ip(args.ip)) == \"10.1.2.3\"",
        "email(args.to).local == \"Ann\" && email(args.to).domain == \"example.com\"",
        "!under(args.path, \"/workspace/tmp\") && under(args.inside, \"/workspace/tmp\")",
    ] {
        assert_eq!(world.bool(source), Ok(true), "{source}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let world = world();
    for source in [
        "shell(args.command + \" '\").size() > 0",
        "sql(args.command).size() > 0",
        "url(args.query).port == 1",
        "host(args.ip) == \"\"",
        "ip(args.query).isPrivate()",
        "cidr(args.query).contains(args.ip)",
        "cidr(\"10.0.0.0/8\").contains(args.query)",
        "email(args.query).domain == \"\"",
    ] {
        assert_eq!(kind(world.bool(source)), Kind::Text, "{source}");
    }
    assert_eq!(kind(world.bool("url(args.url).user == \"\"")), Kind::Missing);
}

/// Expressions as the policies we ship write them.
#[test]
fn rules_as_they_are_written() {
    for source in [
        "args.amount > 500",
        "shell(args.command).exists(c, c.name == \"rm\" && c.has(\"r\", \"R\", \"recursive\")\n  \
         && !c.paths.all(p, under(p, \"/workspace/tmp\")))",
        "!sql(args.query).all(s, s.kind == \"select\")",
        "!(host(args.url) in [\"api.corp.example\"])",
        "!(now.getDayOfWeek(\"Europe/Berlin\") in [1,2,3,4,5] && \
         now.getHours(\"Europe/Berlin\") in [9,10,11,12,13,14,15,16])",
        "args.limit > 100",
        "run.count(\"db.*\", duration(\"5m\")) > 20",
        "!args.to.all(a, email(a).domain in [\"example.com\"])",
    ] {
        assert_eq!(program(source, Site::Rule).constant(), None, "{source}");
    }
    let source = "prior.args.payment_id == args.payment_id && prior.result.status == \"verified\"";
    assert_eq!(program(source, Site::Where).captures().len(), 2);
    program("args.amount", Site::Message);
    program("caller.tenant + \"/\" + args.account", Site::Key);
}
