//! `evaluate` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Auth;
use crate::yaml::{Field, Period, Text};

/// A judge that is asked about ended runs: every failed one, and a sample of the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// The URL of an endpoint that is compatible with OpenAI's chat completions, up to `/v1`.
    #[schemars(required)]
    pub judge: Option<Text>,
    /// The model that judges.
    #[schemars(required)]
    pub model: Option<Field<String>>,
    /// Credentials for the judge.
    pub auth: Option<Field<Auth>>,
    /// PEM file with the certificate authorities to trust instead of the public ones.
    pub ca_file: Option<Field<String>>,
    /// Which of the runs that did not fail are judged: a share such as `5%`. Default `0%`.
    pub sample: Option<Text>,
    /// Files of what the judge is asked, relative to this file.
    #[schemars(required)]
    pub rubrics: Option<Field<Vec<Field<String>>>>,
    /// How long to wait for one answer. Default 30s.
    pub timeout: Option<Field<Period>>,
    /// What may be spent.
    pub budget: Option<Budget>,
}

/// What may be spent on a judge.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most questions in any hour; each rubric asks one about each run. Default 60.
    pub per_hour: Option<Field<u64>>,
}
