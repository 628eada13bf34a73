//! What a request to a model says of what it may use: read off the arguments that are judged and
//! sent.

use super::estimate::{Input, input, is_named};
use super::{Kind, Operation, Provider};
use crate::call::prices::{Price, Spend};
use crate::call::usage::{Surcharged, Tier};
use crate::json::{Object, Value};

/// Longest answer of a model of which nothing says how much it can give, in tokens. Twice what the
/// models with the longest published answers give.
pub const OUTPUT_UNKNOWN_TOKENS: u64 = 262_144;

/// Longest prompt of a model of which nothing says how much it takes, in tokens. Twice what the models
/// with the longest published prompts take.
pub const INPUT_UNKNOWN_TOKENS: u64 = 2_097_152;

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub model: Option<Box<str>>,
    /// The model that the path names, whatever the body says.
    pub path_model: Option<Box<str>>,
    pub is_stream: bool,
    /// The most that each answer may be long, in tokens, where the request says.
    pub max_output: Option<u64>,
    /// How many answers are asked for.
    pub answers: u64,
    pub input: Input,
    /// The tier that is asked for; `None` when the provider chooses.
    pub tier: Option<Tier>,
    /// Searches of the web that the provider may make.
    pub searches: u64,
    /// Of them, those that are made in any case.
    pub sure_searches: u64,
    /// Other models that may answer in its place.
    pub others: Vec<Box<str>>,
    /// For what it may be dearer.
    pub surcharged: Surcharged,
    /// The answer may be sound.
    pub may_speak: bool,
    is_generated: bool,
}

/// Reads a request. `path_model` is the model that its path names.
pub fn facts(
    provider: Provider,
    operation: Operation,
    path_model: Option<&str>,
    args: Value<'_>,
) -> Facts {
    let root = args.as_object();
    let text = |name: &str| root.and_then(|root| root.get(name)).and_then(Value::as_str);
    let model = match provider {
        Provider::Gemini => path_model,
        // Where the path names a model, that is the one which is served.
        Provider::OpenAi | Provider::Anthropic => path_model.or_else(|| text("model")),
    };
    let is_stream = operation.is_stream || flag(root, "stream");
    let (max_output, answers) = output(provider, operation, root);
    let is_spoken = |list: &str| {
        let list = member(root, list).and_then(Value::as_array);
        list.is_some_and(|list| {
            list.iter()
                .any(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("audio")))
        })
    };
    let config = member(root, "generationConfig").and_then(Value::as_object);
    let may_speak = is_spoken("modalities")
        || (config.is_some() && member(config, "responseModalities").is_some());
    Facts {
        model: model.map(Into::into),
        path_model: path_model.map(Into::into),
        is_stream,
        max_output,
        answers,
        input: input(args),
        tier: tier(text("service_tier")),
        searches: 0,
        sure_searches: 0,
        others: others(root),
        surcharged: Surcharged {
            // An account may be kept there without a word in its requests.
            in_us: text("inference_geo").is_none_or(|place| place.eq_ignore_ascii_case("us")),
            fast: text("speed") == Some("fast"),
        },
        may_speak,
        is_generated: operation.kind == Kind::Generate,
    }
    .with_searches(root)
}

/// The tier that a request's `service_tier` asks for. `auto`, nothing, or what nobody knows leaves it
/// to the provider.
fn tier(name: Option<&str>) -> Option<Tier> {
    let name = name?.to_ascii_lowercase();
    match (Tier::named(&name), &*name) {
        (Tier::Standard, "default" | "standard" | "standard_only") => Some(Tier::Standard),
        (Tier::Standard, _) => None,
        (tier, _) => Some(tier),
    }
}

fn member<'a>(object: Option<Object<'a>>, name: &str) -> Option<Value<'a>> {
    object?.get(name)
}

fn flag(object: Option<Object<'_>>, name: &str) -> bool {
    matches!(member(object, name), Some(Value::Bool(true)))
}

/// A whole number from 0; one with a fraction is rounded up. Less than nothing is no count: some
/// servers take it for endless.
fn count(value: Option<Value<'_>>) -> Option<u64> {
    match value? {
        Value::Int(count) => u64::try_from(count).ok(),
        Value::UInt(count) => Some(count),
        // Providers refuse any that is not whole, and casting stays within the type.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Value::Float(count) => (count > -1.0).then_some(count.ceil() as u64),
        Value::Null | Value::Bool(_) | Value::Str(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The declared length of an answer, and how many are asked for. Of several declarations the
/// highest counts, and one that bounds nothing undoes them all: which of them a provider heeds
/// differs.
fn output(
    provider: Provider,
    operation: Operation,
    root: Option<Object<'_>>,
) -> (Option<u64>, u64) {
    let configs: Vec<Object<'_>> = match provider {
        Provider::Gemini => ["generationConfig", "generation_config"]
            .iter()
            .filter_map(|name| member(root, name))
            .filter_map(Value::as_object)
            .collect(),
        Provider::OpenAi | Provider::Anthropic => root.into_iter().collect(),
    };
    // Servers that are only compatible pass over what their API does not have: it bounds nothing.
    let declared: &[&str] = match (provider, operation.name) {
        (Provider::OpenAi, "responses" | "compact") => &["max_output_tokens"],
        (Provider::OpenAi, "chat") => &["max_tokens", "max_completion_tokens"],
        (Provider::OpenAi | Provider::Anthropic, _) => &["max_tokens"],
        (Provider::Gemini, _) => &["maxOutputTokens", "max_output_tokens"],
    };
    let lengths = configs.iter().map(|config| longest(*config, declared));
    let max = lengths.collect::<Option<Vec<u64>>>().and_then(|all| all.into_iter().max());
    let several: &[&str] = match provider {
        Provider::OpenAi => &["n", "best_of"],
        Provider::Anthropic => &[],
        Provider::Gemini => &["candidateCount", "candidate_count"],
    };
    let answers = configs.iter().filter_map(|config| most_of(*config, several)).max();
    // A request of several prompts is answered once for each.
    let prompts = match (provider, member(root, "prompt")) {
        (Provider::OpenAi, Some(Value::Array(prompts)))
            if prompts.iter().any(|prompt| matches!(prompt, Value::Str(_) | Value::Array(_))) =>
        {
            u64::try_from(prompts.len()).unwrap_or(u64::MAX)
        }
        _ => 1,
    };
    (max, answers.unwrap_or(1).max(1).saturating_mul(prompts.max(1)))
}

/// What is said under these names. Some servers do not tell their case apart.
fn named<'a>(object: Object<'a>, names: &[&str]) -> impl Iterator<Item = Value<'a>> {
    let is_named = |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let members = object.iter().filter(move |(name, _)| is_named(name)).map(|(_, value)| value);
    members.filter(|value| !matches!(value, Value::Null))
}

/// The highest of the lengths under these names; `None` when one of them bounds nothing. Nothing is
/// no length: servers take it for the usual, or for endless.
fn longest(object: Object<'_>, names: &[&str]) -> Option<u64> {
    let lengths = named(object, names).map(|value| count(Some(value)).filter(|count| *count > 0));
    lengths.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// The highest of the numbers under these names, as which some servers take a text too.
fn most_of(object: Object<'_>, names: &[&str]) -> Option<u64> {
    let numbers = named(object, names).filter_map(|value| match value {
        Value::Str(text) => text.trim().parse().ok(),
        other => count(Some(other)),
    });
    numbers.max()
}

/// Models in whose place brokers may put the one that is asked for.
fn others(root: Option<Object<'_>>) -> Vec<Box<str>> {
    /// In place of more stands one that nobody knows.
    const LIMIT: usize = 64;
    let list = member(root, "models").and_then(Value::as_array);
    let mut names = list.into_iter().flat_map(|list| list.iter()).filter_map(Value::as_str);
    let mut others: Vec<Box<str>> = names.by_ref().take(LIMIT).map(Into::into).collect();
    if names.next().is_some() {
        others.push(Box::default());
    }
    others
}

impl Facts {
    fn with_searches(mut self, root: Option<Object<'_>>) -> Self {
        /// Searches of a request that does not say how many.
        const SEARCHES_UNKNOWN: u64 = 32;
        let mut searches: u64 = 0;
        if member(root, "web_search_options").is_some_and(|asked| !matches!(asked, Value::Null)) {
            searches = 1;
        }
        self.sure_searches = searches;
        let tools = member(root, "tools").and_then(Value::as_array);
        for tool in tools.into_iter().flat_map(|tools| tools.iter()).filter_map(Value::as_object) {
            let grounds = |(name, _): (&str, Value<'_>)| {
                ["googlesearch", "googlesearchretrieval", "googlemaps", "enterprisewebsearch"]
                    .iter()
                    .any(|wanted| is_named(name, wanted))
            };
            if tool.iter().any(grounds) {
                searches = searches.saturating_add(SEARCHES_UNKNOWN);
            }
            let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
            if kind.starts_with("web_search") {
                let uses = count(tool.get("max_uses")).unwrap_or(SEARCHES_UNKNOWN);
                searches = searches.saturating_add(uses);
            }
        }
        self.searches = searches;
        self
    }

    /// How long a prompt a model takes, and how long an answer it gives, in tokens.
    pub fn bounds(price: Option<&Price>) -> (u64, u64) {
        let takes = price.and_then(|price| price.max_input).unwrap_or(INPUT_UNKNOWN_TOKENS);
        let gives = price.and_then(|price| price.max_output).unwrap_or(OUTPUT_UNKNOWN_TOKENS);
        (takes, gives)
    }

    /// The most tokens that the call can use: of a prompt that is known as far as it goes, and of
    /// answers as long as they may be. `price` is the model's, where it has one.
    pub fn most(&self, price: Option<&Price>) -> Spend {
        let (takes, gives) = Self::bounds(price);
        let output = match (self.is_generated, self.max_output) {
            (false, _) => 0,
            (true, Some(declared)) => declared,
            (true, None) => gives,
        };
        let output = output.saturating_add(self.input.predicted).saturating_mul(self.answers);
        Spend {
            input: self.input.most(takes),
            output: if self.is_generated { output } else { 0 },
            searches: self.searches,
            caches: self.input.caches,
            audio_input: self.input.has_audio,
            audio_output: self.may_speak,
            surcharged: self.surcharged,
            tier: self.tier,
        }
    }
}
