//! Names, steps, tiers and sums.

use super::{Kind, Price, Prices, Rate, Spend, Surcharges};
use crate::call::usage::{Surcharged, Tier, Usage};

fn rate(text: &str) -> Rate {
    Rate::parse(text).expect(text)
}

fn price(lines: &[(Kind, Tier, u64, &str)]) -> Price {
    let mut price = Price::default();
    for (kind, tier, above, text) in lines {
        price.add(*kind, *tier, *above, rate(text));
    }
    price
}

#[test]
fn rates_are_exact_or_rounded_up() {
    assert_eq!(rate("1.5e-07"), rate("0.00000015"));
    assert_eq!(Rate::parse_per_million("0.15"), Some(rate("1.5e-7")));
    assert_eq!(Rate::of_double(1.5e-7), Some(rate("0.00000015")));
    assert_eq!(Rate::of_double(1.000_000_000_000_000_1e-7), Some(rate("0.0000001")));
    assert_eq!(rate("1e-19"), rate("1e-18"));
    assert_eq!(rate("0"), Rate::default());
    for wrong in ["", "-1", "1.", ".", "x", "1e", "1e99", "1000000000", "NaN", "0x1", "1_0"] {
        assert_eq!(Rate::parse(wrong), None, "{wrong}");
    }
    assert_eq!((Rate::of_double(-1.0), Rate::of_double(f64::INFINITY)), (None, None));
}

#[test]
fn names_are_found_with_prefixes_and_without_dates() {
    let mut prices = Prices::default();
    let of = |text: &str| price(&[(Kind::Input, Tier::Standard, 0, text)]);
    for (name, text) in [
        ("gpt-4o", "1"),
        ("gpt-4o-2024-08-06", "2"),
        ("anthropic/claude-x", "3"),
        ("gemini-2", "4"),
        ("gemini/gemini-2", "5"),
        ("ft:gpt-4o", "6"),
        ("local/*", "7"),
        ("*", "8"),
        ("local/big-*-q4", "9"),
    ] {
        prices.add(name, of(text));
    }
    let found = |provider, model| {
        let usage = Usage { input: 1, ..Usage::default() };
        prices.of(provider, model).map(|price| price.cost(&usage, Tier::Standard).dollars())
    };
    assert_eq!(found("openai", "GPT-4o"), Some(1.0));
    assert_eq!(found("openai", "gpt-4o-2024-08-06"), Some(2.0));
    assert_eq!(found("openai", "gpt-4o-2025-01-01"), Some(1.0));
    assert_eq!(found("anthropic", "claude-x-20250101"), Some(3.0));
    assert_eq!(found("anthropic", "claude-x-latest"), Some(3.0));
    assert_eq!(found("gemini", "models/gemini-2"), Some(5.0));
    assert_eq!(found("openai", "gemini-2"), Some(4.0));
    assert_eq!(found("openai", "ft:gpt-4o-2024-08-06:acme::id"), Some(6.0));
    assert_eq!(found("openai", "local/a"), Some(7.0));
    assert_eq!(found("openai", "local/big-9b-q4"), Some(9.0));
    assert_eq!(found("openai", "anything"), Some(8.0));
}

#[test]
fn parts_have_prices_of_their_own_and_the_rest_is_plain() {
    let price = price(&[
        (Kind::Input, Tier::Standard, 0, "1"),
        (Kind::Output, Tier::Standard, 0, "10"),
        (Kind::CacheRead, Tier::Standard, 0, "0.1"),
        (Kind::CacheWrite, Tier::Standard, 0, "1.25"),
        (Kind::CacheWrite1h, Tier::Standard, 0, "2"),
        (Kind::AudioOutput, Tier::Standard, 0, "40"),
        (Kind::Search, Tier::Standard, 0, "0.01"),
    ]);
    let usage = Usage {
        input: 100,
        cache_read: 50,
        cache_write: 20,
        cache_write_1h: 10,
        audio_input: 0,
        output: 9,
        reasoning: 3,
        audio_output: 1,
        searches: 2,
        ..Usage::default()
    };
    // 20 plain, 50 read, 20 and 10 written; 8 of text, thoughts included, and 1 of sound.
    let expected = 20.0 + 5.0 + 25.0 + 20.0 + 80.0 + 40.0 + 0.02;
    assert!((price.cost(&usage, Tier::Standard).dollars() - expected).abs() < 1e-9);
    let doubtful = Usage { input: 10, cache_read: 50, ..Usage::default() };
    assert!((price.cost(&doubtful, Tier::Standard).dollars() - 1.0).abs() < 1e-9);
}

#[test]
fn long_prompts_and_tiers_change_every_price_that_they_name() {
    let price = price(&[
        (Kind::Input, Tier::Standard, 0, "1"),
        (Kind::Input, Tier::Standard, 200, "2"),
        (Kind::Input, Tier::Flex, 0, "0.5"),
        (Kind::Output, Tier::Standard, 0, "4"),
        (Kind::Output, Tier::Priority, 0, "8"),
        (Kind::Reasoning, Tier::Standard, 0, "3"),
    ]);
    let cost = |input, tier| {
        let usage = Usage { input, output: 2, reasoning: 1, ..Usage::default() };
        price.cost(&usage, tier).dollars()
    };
    let is = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
    is(cost(200, Tier::Standard), 200.0 + 7.0);
    is(cost(201, Tier::Standard), 402.0 + 7.0);
    is(cost(100, Tier::Flex), 50.0 + 7.0);
    // A step is not said for the tier: the standard one counts.
    is(cost(201, Tier::Flex), 402.0 + 7.0);
    is(cost(100, Tier::Priority), 100.0 + 16.0);
}

#[test]
fn the_most_is_never_less_than_what_a_call_within_it_costs() {
    let mut price = price(&[
        (Kind::Input, Tier::Standard, 0, "3"),
        (Kind::Input, Tier::Standard, 100, "1"),
        (Kind::CacheRead, Tier::Standard, 0, "5"),
        (Kind::CacheWrite, Tier::Standard, 0, "9"),
        (Kind::Output, Tier::Standard, 0, "4"),
        (Kind::Reasoning, Tier::Standard, 0, "6"),
        (Kind::Input, Tier::Priority, 0, "7"),
        (Kind::Search, Tier::Standard, 0, "1"),
    ]);
    price.surcharges = Surcharges { in_us: 1_100, fast: 2_000 };
    let mut seed = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let tier = [None, Some(Tier::Standard), Some(Tier::Flex), Some(Tier::Priority)];
        let spend = Spend {
            input: seed.u64(0..300),
            output: seed.u64(0..50),
            searches: seed.u64(0..3),
            caches: seed.bool(),
            audio_input: seed.bool(),
            audio_output: seed.bool(),
            surcharged: Surcharged { in_us: seed.bool(), fast: seed.bool() },
            tier: tier[seed.usize(0..tier.len())],
        };
        let most = price.most(&spend);
        let input = seed.u64(0..=spend.input);
        let output = seed.u64(0..=spend.output);
        let usage = Usage {
            input,
            cache_read: seed.u64(0..=input),
            cache_write: if spend.caches { seed.u64(0..=input) } else { 0 },
            cache_write_1h: 0,
            audio_input: if spend.audio_input { seed.u64(0..=input) } else { 0 },
            output,
            reasoning: seed.u64(0..=output),
            audio_output: if spend.audio_output { seed.u64(0..=output) } else { 0 },
            searches: seed.u64(0..=spend.searches),
            surcharged: Surcharged {
                in_us: spend.surcharged.in_us && seed.bool(),
                fast: spend.surcharged.fast && seed.bool(),
            },
        };
        let ran = match spend.tier {
            Some(asked) => [asked, Tier::Standard][seed.usize(0..2)],
            None => [Tier::Standard, Tier::Flex, Tier::Priority][seed.usize(0..3)],
        };
        assert!(price.cost(&usage, ran) <= most, "{usage:?} {ran:?} of {spend:?}");
    }
}
