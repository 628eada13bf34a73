//! The policies and the calls that the benches measure with: ten rules of the kinds that operators
//! write, limits of every kind, and a refund as an agent asks for it. Nothing fires, because the
//! call that passes is the one that must be cheap.

use std::fmt::Write;

/// Conditions of the ten rules, from a plain comparison to a look at the run's history.
pub const CONDITIONS: [&str; 10] = [
    r#"args.amount > 500 && args.currency == "USD" && tool.effect == "write" && run.calls >= 0"#,
    "args.amount <= 0 || args.amount > 1000",
    r#"!has(args.currency) || !(args.currency in ["USD", "EUR"])"#,
    "args.?limit.orValue(0) > 100",
    r#"args.note.contains("password")"#,
    r#"args.payment_id.matches("^test_[0-9]+$")"#,
    r#"args.customer.country in ["KP", "IR", "SY"] && args.customer.verified == false"#,
    r#"caller.agent != "bench" && args.customer.tier == "gold""#,
    r#"run.count("api.delete*") > 3 && args.amount > 400"#,
    r#"run.last("api.verify").args.payment_id == args.payment_id && args.amount > 900"#,
];

/// Limits of every kind, too wide to be reached.
pub const LIMITS: &str = "\
limits:
- { id: run-calls, per: run, max: { calls: 1000000000000 }, then: stop, message: m }
- { id: run-time, per: run, max: { wall_time: 24h }, then: stop, message: m }
- { id: run-errors, per: run, max: { errors: 1000000000000 }, then: stop, message: m }
- { id: loop-guard, per: run, max: { identical_calls: 3 }, within: 20 steps, then: deny, message: m }
- { id: denial-spiral, per: run, max: { denials_same_rule: 3 }, then: stop, message: m }
- { id: agent-calls, per: agent, max: { calls: 1000000000000 }, then: deny, message: m }
";

/// The tool that is called.
pub const TOOL: &str = "api.refund";

/// A policy of `loaded` rules of which the first `applying` are over [`TOOL`] and the others over
/// tools that nobody calls.
pub fn rules(applying: usize, loaded: usize) -> String {
    let mut text = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: bench }\n\
                    mode: enforce\nrules:\n"
        .to_owned();
    for (number, condition) in CONDITIONS.iter().cycle().take(loaded).enumerate() {
        let tool = if number < applying { TOOL.to_owned() } else { format!("other.tool{number}") };
        let _ = writeln!(
            text,
            "- {{ id: rule-{number}, tools: [{tool}], then: deny, message: m, when: '{condition}' }}"
        );
    }
    text
}

/// Bytes of arguments up to which they are structured; beyond, a text makes up the rest.
const STRUCTURED_BYTES: usize = 900;

/// Arguments of a refund, `bytes` long as JSON: an object with a list, and if they are long a text
/// of many lines, as when an agent hands a document on. `number` (8 digits) makes it a call that
/// was not made before, and always stands at the same place.
pub fn arguments(number: u64, bytes: usize) -> String {
    const ITEM: &str = r#"{"sku":"room-double","quantity":2,"price":60.25,"from":"2026-03-02","to":"2026-03-04"},"#;
    const END: &str = r#"{"sku":"end"}],"document":""#;
    const LINE: &str =
        r#"The guest asked for a refund of two nights and was told so by \"Anna\".\n"#;
    let mut text = format!(
        r#"{{"request":{number:08},"amount":120.5,"currency":"EUR","payment_id":"pay_7f3a91c2","note":"The guest cancelled before arrival","customer":{{"id":"cus_5512","country":"DE","verified":true,"tier":"gold"}},"items":["#
    );
    while text.len() + ITEM.len() + END.len() + 2 <= bytes.min(STRUCTURED_BYTES) {
        text.push_str(ITEM);
    }
    text.push_str(END);
    while text.len() + LINE.len() + 2 <= bytes {
        text.push_str(LINE);
    }
    while text.len() + 2 < bytes {
        text.push('x');
    }
    text.push_str("\"}");
    text
}
