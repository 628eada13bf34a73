//! The `cel` crate's own interpreter as the oracle: generated expressions come to the same here.

use std::collections::HashMap;

use cel::objects::{Key, Value as Oracle};
use cel::{Context, Program};
use proptest::prelude::*;

use super::World;
use crate::json;
use crate::policy::expr::{Site, compile};

const ARGS: &str = r#"{"i": 3, "j": -2, "big": 9223372036854775807, "d": 0.5, "e": 2.0,
    "s": "abc", "u": "héé", "t": true, "l": [1, 2, 3], "ds": [0.5, 2.0], "w": ["a", "abc"],
    "o": {"a": 1, "b": [1]}}"#;

fn oracle_value(value: json::Value<'_>) -> Oracle {
    match value {
        json::Value::Null => Oracle::Null,
        json::Value::Bool(value) => Oracle::Bool(value),
        json::Value::Int(value) => Oracle::Int(value),
        json::Value::UInt(value) => Oracle::UInt(value),
        json::Value::Float(value) => Oracle::Float(value),
        json::Value::Str(text) => text.into(),
        json::Value::Array(array) => {
            Oracle::List(array.iter().map(oracle_value).collect::<Vec<_>>().into())
        }
        json::Value::Object(object) => {
            let entries = object.iter().map(|(k, v)| (Key::from(k.to_owned()), oracle_value(v)));
            Oracle::Map(entries.collect::<HashMap<_, _>>().into())
        }
    }
}

fn int() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        (-4i64..5).prop_map(|n| n.to_string()),
        Just("args.i".to_owned()),
        Just("args.j".to_owned()),
        Just("args.big".to_owned()),
        Just("args.l[1]".to_owned()),
        Just("args.l[7]".to_owned()),
        Just("args.o.a".to_owned()),
        Just("size(args.l)".to_owned()),
        Just("args.u.size()".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), "[+*/%-]", inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(args.t ? {a} : {b})")),
        ]
    })
    .boxed()
}

fn double() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("0.5".to_owned()),
        Just("2.0".to_owned()),
        Just("args.d".to_owned()),
        Just("args.e".to_owned()),
        int().prop_map(|n| format!("double({n})")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), "[+*/-]", inner).prop_map(|(a, op, b)| format!("({a} {op} {b})"))
    })
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("\"a\"".to_owned()),
        Just("\"bc\"".to_owned()),
        Just("args.s".to_owned()),
        Just("args.u".to_owned()),
        Just("args.w[0]".to_owned()),
        int().prop_map(|n| format!("string({n})")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})"))
    })
    .boxed()
}

fn list() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("args.l".to_owned()),
        (int(), int()).prop_map(|(a, b)| format!("[{a}, {b}]")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (inner.clone(), int()).prop_map(|(l, n)| format!("{l}.map(x, x + {n})")),
            (inner, int()).prop_map(|(l, n)| format!("{l}.filter(x, x > {n})")),
        ]
    })
    .boxed()
}

fn boolean() -> BoxedStrategy<String> {
    let compare = "(==|!=|<|<=|>|>=)";
    let leaf = prop_oneof![
        Just("args.t".to_owned()),
        Just("args.missing".to_owned()),
        Just("has(args.missing)".to_owned()),
        Just("has(args.o.a)".to_owned()),
        (int(), compare, int()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (double(), compare, double()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (int(), compare, double()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text(), compare, text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (list(), "(==|!=)", list()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (int(), list()).prop_map(|(n, l)| format!("{n} in {l}")),
        (text(), text()).prop_map(|(a, b)| format!("{a}.contains({b})")),
        (text(), text()).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
        (text(), text()).prop_map(|(a, b)| format!("{a}.endsWith({b})")),
        (list(), int()).prop_map(|(l, n)| format!("{l}.all(x, x > {n})")),
        (list(), int()).prop_map(|(l, n)| format!("{l}.exists(x, {n} / x > 0)")),
        (list(), int()).prop_map(|(l, n)| format!("{l}.exists_one(x, x == {n})")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn both_come_to_the_same(source in boolean()) {
        let Ok(program) = compile(&source, Site::Rule) else {
            // The only expressions of this shape that are refused are too deep.
            let errors = compile(&source, Site::Rule).unwrap_err();
            prop_assert!(errors.iter().all(|error| error.code == "TG205"), "{source}: {errors:?}");
            return Ok(());
        };
        let world = World::new(ARGS);
        let ours = program.eval_bool(&world.env());
        let mut context = Context::default();
        context.add_variable_from_value("args", oracle_value(world.args.root()));
        let theirs = Program::compile(&source).unwrap().execute(&context);
        match (&ours, &theirs) {
            (Ok(ours), Ok(Oracle::Bool(theirs))) => prop_assert_eq!(ours, theirs, "{}", source),
            (Err(_), Err(_)) => {}
            _ => prop_assert!(false, "{source}: {ours:?}, the oracle says {theirs:?}"),
        }
    }
}
