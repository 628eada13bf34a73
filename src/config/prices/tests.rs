//! Files of prices, of both formats and together.

use std::fs;

use crate::call::prices::Prices;
use crate::call::usage::{Tier, Usage};
use crate::config::load::load_with;
use crate::policy::compile::compile;

const MAP: &str = r#"{
    "sample_spec": {"input_cost_per_token": 1.0},
    "gpt-x": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "max_output_tokens": 64},
    "image-maker": {"output_cost_per_image": 0.02}
}"#;

fn load(prices: &str, map: &str) -> std::sync::Arc<Prices> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "toolgate.yaml",
        "apiVersion: toolgate/v1\nkind: Config\nprices: ./prices\nupstreams:\n  openai: { llm: openai, url: http://x/v1 }\n",
    );
    write("prices", prices);
    write("map.json", map);
    load_with(&folder.path().join("toolgate.yaml"), &|_| None).unwrap().settings.prices
}

fn cost(prices: &Prices, model: &str) -> Option<u128> {
    let usage = Usage { input: 1_000, output: 10, ..Usage::default() };
    prices.of("openai", model).map(|price| price.cost(&usage, Tier::Standard).nanos())
}

#[test]
fn the_public_map_is_read_as_it_is() {
    let prices = load(MAP, "");
    assert_eq!(prices.len(), 1);
    assert_eq!(cost(&prices, "gpt-x-2025-01-01"), Some(1_020_000));
    assert_eq!(prices.of("openai", "gpt-x").unwrap().max_output, Some(64));
    assert_eq!(cost(&prices, "image-maker"), None);
}

#[test]
fn prices_of_ones_own_go_before_those_of_the_map() {
    let own = "apiVersion: toolgate/v1\nkind: Prices\nmap: ./map.json\nmodels:\n  \
               gpt-x: { input: 0.5, output: 1.25, max_input_tokens: 9, reasons: false }\n  \
               \"local/*\": { input: 0, output: 0 }\n";
    let prices = load(own, MAP);
    assert_eq!(cost(&prices, "gpt-x"), Some(512_500));
    assert_eq!(cost(&prices, "local/any"), Some(0));
    let price = prices.of("openai", "gpt-x").unwrap();
    assert_eq!((price.max_input, price.reasons), (Some(9), false));
    assert!(prices.of("openai", "local/any").unwrap().reasons);
    assert_eq!(cost(&prices, "other"), None);
}

/// What is said of a limit in front of a model API.
fn said(config: &str, limit: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "toolgate.yaml",
        &format!("apiVersion: toolgate/v1\nkind: Config\npolicies: [./p.yaml]\n{config}"),
    );
    write("map.json", MAP);
    write(
        "p.yaml",
        &format!(
            "apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: p }}\nlimits:\n- {{ id: a, per: run, {limit}, then: deny }}\n"
        ),
    );
    let loaded = load_with(&folder.path().join("toolgate.yaml"), &|_| None).unwrap();
    let compiled = compile(&loaded.sources, Some(&loaded.settings.catalogue()));
    compiled.unwrap().1.into_iter().map(|warning| warning.message).collect()
}

#[test]
fn limits_that_nothing_counts_for_are_warned_of() {
    let http = "upstreams:\n  svc: { http: http://x, tools: [{ name: get, match: GET /a }] }\n";
    let model = "upstreams:\n  openai: { llm: openai, url: http://x/v1 }\n";
    let priced = format!("prices: ./map.json\n{model}");
    let fixed = "upstreams:\n  openai: { llm: openai, url: http://x/v1, cost_usd: 0.01 }\n";
    let (money, tokens) = ("max: { cost_usd: 1 }", "max: { tokens: 1000 }");
    assert!(said(http, money)[0].contains("this never fires"));
    assert!(said(http, tokens)[0].contains("reports tokens"));
    assert!(said(model, money)[0].contains("lets no call to one pass"));
    for (config, limit) in [(model, tokens), (&priced, money), (&priced, tokens), (fixed, money)] {
        assert_eq!(said(config, limit), Vec::<String>::new(), "{config} {limit}");
    }
    let elsewhere = "tools: [openai.models], max: { tokens: 1000 }";
    assert!(said(model, elsewhere)[0].contains("reports tokens"));
}
