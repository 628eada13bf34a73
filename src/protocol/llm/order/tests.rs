//! Charges of calls that end in every way.

use std::sync::Arc;

use http::StatusCode;

use super::{Charge, Order};
use crate::call::prices::{Prices, litellm};
use crate::call::usage::Usage;
use crate::call::{self, Provider};
use crate::json::Document;
use crate::protocol::llm::{Asked, Counted, Kind, Operation, Said};

const CHAT: Operation = Operation { name: "chat", kind: Kind::Generate, is_stream: false };

const MAP: &str = r#"{
    "plain": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 50000, "max_output_tokens": 1000},
    "thinker": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "supports_reasoning": true}
}"#;

fn prices() -> Arc<Prices> {
    Arc::new(litellm::read(&Document::from_text(MAP).expect("JSON")).expect("a map"))
}

fn order(body: &str) -> Order {
    let args = Document::from_text(body).expect("JSON");
    Order::new(Provider::OpenAi, CHAT, (None, false), args.root(), prices())
}

fn nanos(charge: Charge) -> Option<u128> {
    charge.cost.map(crate::policy::amount::Usd::nanos)
}

fn said(counted: Counted, input: u64, output: u64) -> Said {
    Said { counted, usage: Usage { input, output, ..Usage::default() }, ..Said::default() }
}

#[test]
fn what_the_provider_says_is_what_is_charged() {
    let order = order(r#"{"model":"plain","max_tokens":100}"#);
    let charge = order.charge(StatusCode::OK, true, Some(&said(Counted::Finally, 10, 20)));
    assert_eq!((charge.tokens.total(), nanos(charge)), (30, Some(50_000)));
    assert_eq!(charge.tokens.known, call::Counted::Reported);
    let reserved = order.most_cost().expect("priced").nanos();
    assert!(reserved >= 50_000);
    assert_eq!(order.most_tokens(), order.spend.input + 100);
}

#[test]
fn what_is_seen_of_a_stream_that_breaks_off_lowers_what_is_charged() {
    let order = order(r#"{"model":"plain","max_tokens":100}"#);
    let nothing = order.charge(StatusCode::OK, false, None);
    assert_eq!(nothing.cost, order.most_cost());
    assert_eq!(nothing.tokens.total(), order.most_tokens());
    let begun = order.charge(StatusCode::OK, false, Some(&said(Counted::SoFar, 10, 1)));
    assert_eq!((begun.tokens.total(), nanos(begun)), (110, Some(10_000 + 200_000)));
    assert_eq!(begun.tokens.known, call::Counted::Estimated);
    let unknown = self::order(r#"{"model":"plain","max_tokens":100,"previous_response_id":"r"}"#);
    let begun = unknown.charge(StatusCode::OK, false, Some(&said(Counted::SoFar, 10, 1)));
    assert_eq!(begun.tokens.input, 50_000);
}

#[test]
fn an_answer_without_usage_is_charged_by_what_passed_unless_the_model_hides_some() {
    let passed = Said { generated_bytes: 20, ..Said::default() };
    let asking = Said {
        asked: vec![Asked { id: None, name: "f".into(), args: Box::default(), is_whole: true }],
        ..passed.clone()
    };
    let plain = order(r#"{"model":"plain","max_tokens":100}"#);
    let output = |order: &Order, whole, said: &Said| {
        order.charge(StatusCode::OK, whole, Some(said)).tokens.output
    };
    assert_eq!((output(&plain, true, &passed), output(&plain, true, &asking)), (36, 52));
    assert_eq!(output(&plain, false, &passed), 100);
    let thinker = order(r#"{"model":"thinker","max_tokens":100}"#);
    assert_eq!(output(&thinker, true, &passed), 100);
    let unheard_of = order(r#"{"model":"x","max_tokens":100}"#);
    let charge = unheard_of.charge(StatusCode::OK, true, Some(&passed));
    assert_eq!((charge.tokens.output, charge.cost), (100, None));
}

#[test]
fn refused_requests_cost_nothing_and_doubtful_ones_all() {
    let order = order(r#"{"model":"plain"}"#);
    for status in [400, 401, 429, 500, 503, 529] {
        let status = StatusCode::from_u16(status).expect("a status");
        let charge = order.charge(status, true, Some(&Said::default()));
        assert_eq!((charge.tokens.total(), nanos(charge)), (0, Some(0)));
    }
    let charge = order.charge(StatusCode::GATEWAY_TIMEOUT, true, Some(&Said::default()));
    assert_eq!((charge.tokens.output, charge.cost), (1_000, order.most_cost()));
}

#[test]
fn the_model_that_answered_has_the_price() {
    let order = order(r#"{"model":"alias"}"#);
    assert_eq!(order.most_cost(), None);
    let answered = Said { model: Some("plain".into()), ..said(Counted::Finally, 1, 1) };
    assert_eq!(nanos(order.charge(StatusCode::OK, true, Some(&answered))), Some(3_000));
}

#[test]
fn calls_that_ask_no_model_cost_nothing() {
    let looked = Operation { name: "models", kind: Kind::Look, is_stream: false };
    let none = Document::from_text("{}").expect("JSON");
    let order = Order::new(Provider::OpenAi, looked, (None, false), none.root(), prices());
    assert_eq!((order.most_tokens(), order.most_cost().map(|cost| cost.nanos())), (0, Some(0)));
    assert_eq!(order.charge(StatusCode::OK, true, None).tokens.total(), 0);
}

#[test]
fn the_dearest_of_the_models_that_may_answer_is_reserved() {
    let most = |body: &str| order(body).most_cost().map(crate::policy::amount::Usd::nanos);
    let one = most(r#"{"model":"plain","max_tokens":100}"#).expect("priced");
    let with_thinker = most(r#"{"model":"plain","models":["thinker"],"max_tokens":100}"#);
    assert!(with_thinker.expect("priced") >= one);
    assert_eq!(most(r#"{"model":"plain","models":["x"],"max_tokens":100}"#), None);
}

#[test]
fn surcharges_are_charged_and_reserved() {
    let map = r#"{"claude": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
        "provider_specific_entry": {"us": 1.1, "fast": 2.0}}}"#;
    let map = Document::from_text(map).expect("JSON");
    let prices = Arc::new(litellm::read(&map).expect("a map"));
    let args = Document::from_text(r#"{"model":"claude","max_tokens":100,"speed":"fast"}"#);
    let (args, kind) = (args.expect("JSON"), Provider::Anthropic);
    let messages = Operation { name: "messages", ..CHAT };
    let order = Order::new(kind, messages, (None, false), args.root(), prices);
    let mut said = said(Counted::Finally, 10, 10);
    assert_eq!(nanos(order.charge(StatusCode::OK, true, Some(&said))), Some(20_000));
    said.usage.surcharged.in_us = true;
    assert_eq!(nanos(order.charge(StatusCode::OK, true, Some(&said))), Some(22_000));
    said.usage.surcharged.fast = true;
    assert_eq!(nanos(order.charge(StatusCode::OK, true, Some(&said))), Some(44_000));
    let known = u128::from(order.facts().input.known) + 100;
    assert_eq!(order.most_cost().expect("priced").nanos(), known * 2_200);
}

/// What no model can use is not what was used.
#[test]
fn more_than_any_model_uses_is_charged_as_reserved() {
    let order = order(r#"{"model":"plain","max_tokens":100}"#);
    let lie = said(Counted::Finally, u64::MAX, u64::MAX);
    let charge = order.charge(StatusCode::OK, true, Some(&lie));
    assert_eq!((charge.tokens.total(), charge.cost), (order.most_tokens(), order.most_cost()));
}

/// Attempts before the last that a model may have run for count as they were reserved.
#[test]
fn attempts_that_may_have_been_charged_are_added() {
    let order = order(r#"{"model":"plain","max_tokens":100}"#);
    let last = order.charge(StatusCode::OK, true, Some(&said(Counted::Finally, 10, 20)));
    assert_eq!(last.plus_unanswered(&order, 0), last);
    let all = last.plus_unanswered(&order, 2);
    assert_eq!(all.tokens.total(), 30 + 2 * order.most_tokens());
    let most = order.most_cost().expect("priced").nanos();
    assert_eq!(nanos(all), Some(50_000 + 2 * most));
}

#[test]
fn a_half_said_usage_is_charged_as_reserved_where_nothing_is_shown() {
    let order = order(r#"{"model":"plain","max_tokens":100}"#);
    let half = Said { has_unknown_input: true, is_unread: true, ..said(Counted::SoFar, 10, 1) };
    let half = Said { generated_bytes: 3, ..half };
    let charge = order.charge(StatusCode::OK, true, Some(&half));
    assert_eq!((charge.tokens.total(), charge.cost), (order.most_tokens(), order.most_cost()));
}

#[test]
fn unknown_tiers_are_the_dearest() {
    let tier = |name: &str| order(&format!(r#"{{"service_tier":"{name}"}}"#)).facts().tier;
    use crate::call::usage::Tier;
    assert_eq!((tier("Priority"), tier("default")), (Some(Tier::Priority), Some(Tier::Standard)));
    assert_eq!((tier("turbo"), tier("auto")), (None, None));
}
