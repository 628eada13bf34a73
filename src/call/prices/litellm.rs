//! The public price map of the LiteLLM project: one JSON object, a model a member, prices in dollars
//! a token. Its file is `model_prices_and_context_window.json`.
//!
//! Prices that depend on the time of day are not read: the usual ones are taken.

use super::{Kind, Price, Prices, Rate};
use crate::call::usage::Tier;
use crate::json::{Document, Object, Value};

/// Stands in the map to explain its members.
const EXAMPLE: &str = "sample_spec";

/// Names of prices, without their steps and tiers. Longer ones come before those that begin them.
const KINDS: [(&str, Kind); 8] = [
    ("cache_creation_input_token_cost_above_1hr", Kind::CacheWrite1h),
    ("cache_creation_input_token_cost", Kind::CacheWrite),
    ("cache_read_input_token_cost", Kind::CacheRead),
    ("input_cost_per_token", Kind::Input),
    ("output_cost_per_token", Kind::Output),
    ("output_cost_per_reasoning_token", Kind::Reasoning),
    ("input_cost_per_audio_token", Kind::AudioInput),
    ("output_cost_per_audio_token", Kind::AudioOutput),
];

/// Reads the map; models without prices by token are left out. `None` when it is no object.
pub fn read(map: &Document) -> Option<Prices> {
    let mut prices = Prices::default();
    for (name, model) in map.root().as_object()?.iter() {
        if let Some(model) = model.as_object()
            && name != EXAMPLE
            && !name.contains('*')
        {
            let price = price(model);
            if price.is_of_tokens() {
                prices.add(name, price);
            }
        }
    }
    Some(prices)
}

fn price(model: Object<'_>) -> Price {
    let mut price = Price::default();
    price.max_input = count(model.get("max_input_tokens"));
    price.max_output = count(model.get("max_output_tokens"));
    price.reasons = matches!(model.get("supports_reasoning"), Some(Value::Bool(true)));
    let special = model.get("provider_specific_entry").and_then(Value::as_object);
    let factor = |name: &str| special.and_then(|special| special.get(name)).and_then(thousandths);
    price.surcharges.in_us = factor("us").unwrap_or(1_000);
    price.surcharges.fast = factor("fast").unwrap_or(1_000);
    for (name, value) in model.iter() {
        if let (Some((kind, tier, above)), Some(rate)) = (line(name), rate(value)) {
            price.add(kind, tier, above, rate);
        }
    }
    let searches = model.get("search_context_cost_per_query").and_then(Value::as_object);
    let medium = searches.and_then(|searches| searches.get("search_context_size_medium"));
    if let Some(rate) = medium.and_then(rate) {
        price.add(Kind::Search, Tier::Standard, 0, rate);
    }
    for step in
        model.get("tiered_pricing").and_then(Value::as_array).iter().flat_map(|it| it.iter())
    {
        if let Some(step) = step.as_object() {
            add_step(&mut price, step);
        }
    }
    price
}

/// A step of a table takes the place of every price: what it does not name costs as its input does.
fn add_step(price: &mut Price, step: Object<'_>) {
    let of = |name: &str| step.get(name).and_then(rate);
    let from = step.get("range").and_then(Value::as_array).and_then(|range| count(range.get(0)));
    let (Some(above), Some(input)) = (from, of("input_cost_per_token")) else { return };
    let written = of("cache_creation_input_token_cost").unwrap_or(input);
    let written_1h = of("cache_creation_input_token_cost_above_1hr").unwrap_or(written);
    let read = of("cache_read_input_token_cost").unwrap_or(input);
    let mut add = |kind, rate| price.add(kind, Tier::Standard, above, rate);
    add(Kind::Input, input);
    add(Kind::CacheRead, read);
    add(Kind::CacheWrite, written);
    add(Kind::CacheWrite1h, written_1h);
    if let Some(output) = of("output_cost_per_token") {
        add(Kind::Output, output);
        add(Kind::Reasoning, of("output_cost_per_reasoning_token").unwrap_or(output));
    }
}

/// `input_cost_per_token_above_200k_tokens_priority` -> what, for whom, and from where on.
fn line(name: &str) -> Option<(Kind, Tier, u64)> {
    let (kind, rest) = KINDS
        .iter()
        .find_map(|(prefix, kind)| name.strip_prefix(prefix).map(|rest| (*kind, rest)))?;
    let (above, rest) = match rest.strip_prefix("_above_") {
        Some(rest) => {
            let (number, rest) = rest.split_once("_tokens")?;
            (tokens(number)?, rest)
        }
        None => (0, rest),
    };
    let tier = match rest {
        "" => Tier::Standard,
        "_flex" => Tier::Flex,
        "_priority" => Tier::Priority,
        "_batches" => Tier::Batch,
        "_ultrafast" => Tier::Ultrafast,
        _ => return None,
    };
    Some((kind, tier, above))
}

/// `200k` -> 200 000.
fn tokens(number: &str) -> Option<u64> {
    match number.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1_000),
        None => number.parse().ok(),
    }
}

fn rate(value: Value<'_>) -> Option<Rate> {
    match value {
        Value::Int(whole) => Rate::parse(&whole.to_string()),
        Value::Float(dollars) => Rate::of_double(dollars),
        Value::Str(text) => Rate::parse(text),
        Value::UInt(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A factor of at least 1, in thousandths, rounded up.
fn thousandths(value: Value<'_>) -> Option<u32> {
    let factor = match value {
        Value::Int(whole) => u32::try_from(whole).ok()?.checked_mul(1_000)?,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Value::Float(factor) => (factor * 1e6).round().div_euclid(1e3).ceil() as u32,
        Value::UInt(_)
        | Value::Str(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Array(_)
        | Value::Object(_) => return None,
    };
    Some(factor.max(1_000))
}

fn count(value: Option<Value<'_>>) -> Option<u64> {
    match value? {
        Value::Int(count) => u64::try_from(count).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Value::Float(count) => Some(count as u64),
        Value::Str(text) => text.parse().ok(),
        Value::UInt(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
