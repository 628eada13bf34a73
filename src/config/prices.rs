//! `prices`: what models cost. Either a file of this project's own, or the public price map of the
//! LiteLLM project; the former may name the latter and put prices of its own in front.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::codes;
use super::load;
use super::raw::ApiVersion;
use super::validate::{Check, relative_to};
use crate::call::prices::{Kind, Price, Prices, Rate, litellm};
use crate::call::usage::Tier;
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::yaml::{self, Diagnostic, Entries, Field, ScalarFault, Shape, Source, Text};

/// Largest file of prices. The public map has 3 MB.
const MAP_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// A file of prices as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceFile {
    /// The version of the format.
    #[serde(rename = "apiVersion")]
    #[schemars(required)]
    pub api_version: Option<ApiVersion>,
    /// What the file is.
    #[schemars(required)]
    pub kind: Option<FileKind>,
    /// The public price map of the LiteLLM project, for all models that `models` does not name.
    pub map: Option<Field<String>>,
    /// Prices by the model's name, in US dollars per million tokens; `*` stands for any text.
    pub models: Option<Field<Entries<Model>>>,
}

/// What the file is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum FileKind {
    Prices,
}

/// The prices of a model, in US dollars per million tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Of the prompt.
    #[schemars(required)]
    pub input: Option<Text>,
    /// Of the answer.
    #[schemars(required)]
    pub output: Option<Text>,
    /// Of the prompt, read from a cache. Default: as `input`.
    pub cache_read: Option<Text>,
    /// Of the prompt, written to a cache. Default: as `input`.
    pub cache_write: Option<Text>,
    /// Of the prompt, written to a cache for an hour. Default: as `cache_write`.
    pub cache_write_1h: Option<Text>,
    /// Of the answer, thought and not shown. Default: as `output`.
    pub reasoning: Option<Text>,
    /// Longest prompt, in tokens: reserved where a request does not bound it.
    pub max_input_tokens: Option<u64>,
    /// Longest answer, in tokens: reserved where a request does not bound it.
    pub max_output_tokens: Option<u64>,
    /// Whether it thinks without showing it. Default: yes.
    pub reasons: Option<bool>,
}

const SHAPE: Shape = Shape {
    required: &[("PriceFile", &["apiVersion", "kind"]), ("Model", &["input", "output"])],
    planned: &[],
};

/// The prices of the file that `field` names; none without it. Faults are reported.
pub(super) fn prices(field: Option<&Field<String>>, check: &mut Check<'_>) -> Arc<Prices> {
    let Some(field) = field else { return Arc::default() };
    let path = check.path(&field.value);
    let read = load::read_up_to(&path, MAP_LIMIT_BYTES, check.secrets.reads);
    let Some(source) = check.ok(codes::FILE, field.span, read) else { return Arc::default() };
    if is_json(&source) {
        let read = map(&source);
        return Arc::new(check.ok(codes::FILE, field.span, read).unwrap_or_default());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Arc::new(own(&source, folder, check))
}

/// The project's own format is never written in braces as a whole.
fn is_json(source: &Source) -> bool {
    source.text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

fn map(source: &Source) -> Result<Prices, ScalarFault> {
    let fault = |what: String| ScalarFault::new(format!("`{}` {what}", source.name));
    let text = bytes::Bytes::copy_from_slice(source.text.as_bytes());
    let document = Document::parse(text, JSON_DEPTH_LIMIT)
        .map_err(|error| fault(format!("is not acceptable JSON: {error}")))?;
    let prices = litellm::read(&document).filter(|prices| !prices.is_empty());
    prices.ok_or_else(|| fault("has no model with a price by token".to_owned()))
}

fn own(source: &Arc<Source>, folder: &Path, check: &mut Check<'_>) -> Prices {
    let Some(file) = yaml::read_partial::<PriceFile>(source, SHAPE, check.faults) else {
        return Prices::default();
    };
    let mut prices = Prices::default();
    if let Some(field) = &file.map {
        let path = relative_to(folder, &field.value);
        let read = load::read_up_to(&path, MAP_LIMIT_BYTES, check.secrets.reads);
        match read.and_then(|source| map(&source)) {
            Ok(read) => prices = read,
            Err(text) => fault(source, field.span, text, check),
        }
    }
    for (name, model) in file.models.iter().flat_map(|models| models.value.iter()) {
        let price = price(model, source, check);
        prices.add(&name.value, price);
    }
    prices
}

fn price(model: &Model, source: &Arc<Source>, check: &mut Check<'_>) -> Price {
    let mut price = Price::default();
    price.max_input = model.max_input_tokens;
    price.max_output = model.max_output_tokens;
    price.reasons = model.reasons.unwrap_or(true);
    for (kind, text) in [
        (Kind::Input, &model.input),
        (Kind::Output, &model.output),
        (Kind::CacheRead, &model.cache_read),
        (Kind::CacheWrite, &model.cache_write),
        (Kind::CacheWrite1h, &model.cache_write_1h),
        (Kind::Reasoning, &model.reasoning),
    ] {
        let Some(text) = text else { continue };
        match Rate::parse_per_million(&text.value) {
            Some(rate) => price.add(kind, Tier::Standard, 0, rate),
            None => {
                let said =
                    format!("expected US dollars per million tokens, found `{}`", text.value);
                let wrong = ScalarFault::new(said).help("for example `2.50`");
                fault(source, text.span, wrong, check);
            }
        }
    }
    price
}

/// A fault in the file of prices itself.
fn fault(source: &Arc<Source>, span: yaml::Span, text: ScalarFault, check: &mut Check<'_>) {
    let mut fault = Diagnostic::error(codes::COST, text.message).at(source, span);
    fault.help = text.help;
    check.faults.push(fault);
}

#[cfg(test)]
mod tests;
