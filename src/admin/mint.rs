//! Runs made in the admin API before their first call, with a budget and a signed token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::reply::{self, Fault, Reply};
use crate::admin::{Admin, request};
use crate::call::RunId;
use crate::json::Hasher;
use crate::ledger::{MintError, MintSpec, MintedRun, Purses, RunBudget};
use crate::policy::amount::Usd;
use crate::yaml::Period;

/// How long a run's token holds.
const TOKEN_TIME: Duration = Duration::from_secs(24 * 3_600);

/// Most labels of a run, and the longest name and value of one, in characters.
const LABELS_LIMIT: usize = 16;
const LABEL_NAME_LIMIT_CHARS: usize = 64;
const LABEL_LIMIT_CHARS: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    prompt: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    budget: Option<AskedBudget>,
    parent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedBudget {
    calls: Option<u64>,
    /// Kept as it is written: money is counted exactly.
    cost_usd: Option<serde_json::Number>,
    tokens: Option<u64>,
    wall_time: Option<String>,
}

#[derive(Serialize)]
struct Made<'a> {
    run_id: &'a str,
    token: &'a str,
    expires_ms: i64,
}

/// What a run was made with, as it is shown.
#[derive(Serialize)]
pub(super) struct ShownMinted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    /// In flight, sent, or given to runs below it; so are the others.
    calls_taken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    cost_usd_taken: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    tokens_taken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_sha: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_bytes: Option<u64>,
}

impl Admin {
    pub(super) fn mint_run(&self, body: &Bytes) -> Result<Reply, Fault> {
        let Asked { prompt, labels, budget, parent } = request::read(body)?;
        check_labels(&labels)?;
        let snapshot = self.gate.snapshot();
        let prompt = prompt.map(|prompt| {
            let mut hasher = Hasher::new(snapshot.terms.digest_key.as_ref());
            hasher.update(prompt.as_bytes());
            (hasher.finish(), u64::try_from(prompt.len()).unwrap_or(u64::MAX))
        });
        let spec = MintSpec {
            parent: parent.map(|parent| RunId(Arc::from(parent.as_str()))),
            budget: budget_of(budget.unwrap_or_default())?,
            labels,
            prompt,
        };
        let run = RunId(self.fresh_id("run"));
        let (ledger, now) = (&self.gate.ledger, self.gate.clock.now());
        let minted = ledger.mint(run.clone(), &snapshot.terms.caller, spec, TOKEN_TIME, now);
        let (token, expires_ms) = minted.map_err(|why| match why {
            MintError::NoKey => {
                Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why.to_string())
            }
            MintError::NoParent
            | MintError::Unbounded(_)
            | MintError::TooMuch { .. }
            | MintError::TooDeep => Fault::conflict(why.to_string()),
        })?;
        Ok(reply::json(StatusCode::CREATED, &Made { run_id: &run.0, token: &token, expires_ms }))
    }
}

fn budget_of(asked: AskedBudget) -> Result<RunBudget, Fault> {
    let AskedBudget { calls, cost_usd, tokens, wall_time } = asked;
    let wall_time = wall_time.map(|text| match Period::parse(&text) {
        Ok(Period(time)) if !time.is_zero() => Ok(time),
        Ok(_) | Err(_) => Err(Fault::invalid("`wall_time` is a duration such as `15m`.")),
    });
    if calls == Some(0) || tokens == Some(0) {
        return Err(Fault::invalid("`calls` and `tokens` are from 1."));
    }
    // Numbers such as 1e-3 are written out before they are read.
    let dollars = cost_usd.and_then(|number| number.as_f64()).map(|dollars| dollars.to_string());
    let cost_usd = dollars.map(|dollars| Usd::parse(&dollars)).transpose();
    let cost_usd =
        cost_usd.map_err(|fault| Fault::invalid(format!("`cost_usd`: {}.", fault.message)))?;
    Ok(RunBudget { calls, cost_usd, tokens, wall_time: wall_time.transpose()? })
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Fault> {
    let fits =
        |text: &str, limit| text.chars().count() <= limit && !text.chars().any(char::is_control);
    let all_fit = labels.iter().all(|(name, value)| {
        !name.is_empty() && fits(name, LABEL_NAME_LIMIT_CHARS) && fits(value, LABEL_LIMIT_CHARS)
    });
    if labels.len() > LABELS_LIMIT || !all_fit {
        return Err(Fault::invalid(format!(
            "At most {LABELS_LIMIT} labels, of names to {LABEL_NAME_LIMIT_CHARS} and values to \
             {LABEL_LIMIT_CHARS} characters."
        )));
    }
    Ok(())
}

impl<'a> ShownMinted<'a> {
    pub(super) fn of(minted: &'a MintedRun) -> Self {
        let Purses { calls, cost_usd, tokens } = minted.purses;
        let count = |amount| u64::try_from(amount).unwrap_or(u64::MAX);
        let dollars = |amount| Usd::from_nanos(amount).dollars();
        Self {
            parent_run_id: minted.parent.as_ref().map(|parent| &*parent.0),
            labels: &minted.labels,
            calls: calls.limit.map(count),
            calls_taken: count(calls.taken),
            cost_usd: cost_usd.limit.map(dollars),
            cost_usd_taken: dollars(cost_usd.taken),
            tokens: tokens.limit.map(count),
            tokens_taken: count(tokens.taken),
            prompt_sha: minted.prompt.map(|(digest, _)| digest.to_string()),
            prompt_bytes: minted.prompt.map(|(_, bytes)| bytes),
        }
    }
}
