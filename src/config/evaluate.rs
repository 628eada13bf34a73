//! `evaluate`: who judges ended runs, by what, and how often.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::validate::Check;
use super::{address, codes, raw, rubric, upstream};
use crate::evaluate::{Plan, Rubric, Share};
use crate::forward::{Timeouts, UpstreamSpec};
use crate::yaml::{ScalarFault, Text};

/// What judging may be called after that is no upstream's name.
const NAME: &str = "evaluate.judge";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_RANGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));

/// Longest wait for a connection to the judge.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const DEFAULT_PER_HOUR: u32 = 60;
const PER_HOUR_RANGE: (u64, u64) = (1, 100_000);

/// Most rubrics.
const RUBRICS_LIMIT: usize = 16;

/// Longest name of a model, in bytes.
const MODEL_LIMIT_BYTES: usize = 256;

/// What is said of evaluation; `None` when nothing is, or a part without a default is at fault.
pub(super) fn plan(raw: Option<&raw::Evaluate>, check: &mut Check<'_>) -> Option<Plan> {
    let raw = raw?;
    let url = raw.judge.as_ref().and_then(|text| url(text, check));
    let headers = raw.auth.as_ref().and_then(|auth| upstream::auth(auth, check));
    let headers = headers.and_then(|auth| {
        let mut value = HeaderValue::from_str(auth.value.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some((auth.header, value))
    });
    let ca_pem = raw.ca_file.as_ref().and_then(|field| {
        let read = upstream::read_certificates(&check.path(&field.value), check.secrets.reads);
        check.ok(codes::FILE, field.span, read)
    });
    let share = match &raw.sample {
        None => Share::new(0.0),
        Some(text) => check.ok(codes::RANGE, text.span, share(&text.value)),
    };
    let timeout = check.time(raw.timeout.as_ref(), DEFAULT_TIMEOUT, TIMEOUT_RANGE);
    let rubrics = rubrics(raw, check);
    let model = raw.model.as_ref();
    if let Some(model) = model.filter(|model| {
        let name = &model.value;
        name.trim().is_empty() || name.len() > MODEL_LIMIT_BYTES || name.contains(char::is_control)
    }) {
        check.fault(codes::NAME, model.span, ScalarFault::new("not the name of a model"));
    }
    let per_hour = per_hour(raw.budget.as_ref(), check);
    let connect = timeout.min(CONNECT_TIMEOUT);
    Some(Plan {
        judge: UpstreamSpec {
            name: Arc::from(NAME),
            url: url?,
            timeouts: Timeouts { connect, response: timeout, idle: timeout },
            headers: headers.into_iter().collect(),
            command: None,
            ca_pem: ca_pem.map(|pem| pem.to_vec()),
        },
        model: Arc::from(model?.value.as_str()),
        share: share?,
        rubrics: Arc::from(rubrics),
        timeout,
        per_hour,
    })
}

/// Enough of a plan to tell two apart, without a secret.
pub(super) fn digest(plan: Option<&Plan>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    // Secrets are left out where it is shown.
    hasher.update(format!("{plan:?}"));
    for (name, value) in plan.into_iter().flat_map(|plan| &plan.judge.headers) {
        hasher.update(name.as_str());
        hasher.update(value.as_bytes());
    }
    hasher.finalize().into()
}

fn url(text: &Text, check: &mut Check<'_>) -> Option<Uri> {
    let target = check.ok(codes::URL, text.span, address::target(&text.value))?;
    let path = if target.base_path.is_empty() { "/" } else { &target.base_path };
    let parts = Uri::builder().scheme(target.scheme).authority(target.authority);
    parts.path_and_query(path).build().ok()
}

fn rubrics(raw: &raw::Evaluate, check: &mut Check<'_>) -> Vec<Rubric> {
    let Some(list) = &raw.rubrics else { return Vec::new() };
    if list.value.is_empty() && !check.is_damaged(list.span) {
        let text = ScalarFault::new("no rubrics: there is nothing to ask");
        check.fault(
            codes::EMPTY,
            list.span,
            text.help("for example `[./rubrics/tool-selection.yaml]`"),
        );
    }
    if list.value.len() > RUBRICS_LIMIT {
        let text = format!("more than {RUBRICS_LIMIT} rubrics");
        check.fault(codes::RANGE, list.span, ScalarFault::new(text));
    }
    let mut seen = HashSet::new();
    let mut rubrics = Vec::new();
    for field in list.value.iter().take(RUBRICS_LIMIT) {
        let Some(rubric) = rubric::rubric(field, check) else { continue };
        if !seen.insert(rubric.name.clone()) {
            let text = format!("there are two rubrics named `{}`", rubric.name);
            check.fault(codes::NAME, field.span, ScalarFault::new(text));
        }
        rubrics.push(rubric);
    }
    rubrics
}

fn per_hour(raw: Option<&raw::Budget>, check: &mut Check<'_>) -> u32 {
    let Some(field) = raw.and_then(|budget| budget.per_hour) else { return DEFAULT_PER_HOUR };
    let (least, most) = PER_HOUR_RANGE;
    if !(least..=most).contains(&field.value) {
        let text = format!("expected from {least} to {most}");
        check.fault(codes::RANGE, field.span, ScalarFault::new(text));
    }
    u32::try_from(field.value).unwrap_or(DEFAULT_PER_HOUR)
}

/// A share as users write it: `5%`, `0.5%`, `100%`.
fn share(text: &str) -> Result<Share, ScalarFault> {
    let wrong = || ScalarFault::new(format!("`{text}` is not a share"));
    let Some(number) = text.trim().strip_suffix('%') else {
        let fault = match text.trim().parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => {
                wrong().help(format!("did you mean `{}%`?", number * 100.0))
            }
            Ok(_) | Err(_) => wrong().help("for example `5%`"),
        };
        return Err(fault);
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent = number.parse::<f64>().ok().filter(|_| plain);
    let share = percent.and_then(|percent| Share::new(percent / 100.0));
    share.ok_or_else(|| wrong().help("from `0%` to `100%`"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::load_with;

    /// The plan of a config with the rubrics that ship, and a key for the judge.
    fn shipped(key: &str) -> (Plan, Vec<String>) {
        let rubrics = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/rubrics");
        let files = std::fs::read_dir(rubrics).unwrap();
        let files = files.map(|entry| entry.unwrap().path().display().to_string());
        let mut files: Vec<String> = files.collect();
        files.sort();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolgate.yaml");
        let text = format!(
            "apiVersion: toolgate/v1\nkind: Config\n\
             upstreams:\n  a: {{ http: \"http://a\", tools: [{{ name: get, match: GET /a }}] }}\n\
             evaluate: {{ judge: \"http://j:8000/v1/\", model: m, auth: {{ bearer: \"${{env:KEY}}\" }}, \
             sample: 5%, rubrics: {files:?} }}\n"
        );
        std::fs::write(&path, text).unwrap();
        let loaded = load_with(&path, &|_| Some(key.to_owned())).unwrap();
        (loaded.settings.evaluate.unwrap(), files)
    }

    #[test]
    fn the_rubrics_that_ship_load() {
        let (plan, files) = shipped("sk-canary");
        let mut rubrics: Vec<_> =
            plan.rubrics.iter().map(|rubric| (&*rubric.name, rubric.needs_contents)).collect();
        rubrics.sort_unstable();
        assert_eq!(rubrics, [("groundedness", true), ("tool-selection", false)]);
        assert_eq!(files.len(), rubrics.len());
        assert_eq!(plan.judge.url, "http://j:8000/v1");
        assert_eq!((plan.timeout, plan.per_hour), (DEFAULT_TIMEOUT, DEFAULT_PER_HOUR));
    }

    #[test]
    fn another_key_is_another_plan_and_no_key_is_shown() {
        let (one, other) = (shipped("sk-canary-1").0, shipped("sk-canary-2").0);
        assert_eq!(digest(Some(&one)), digest(Some(&shipped("sk-canary-1").0)));
        assert_ne!(digest(Some(&one)), digest(Some(&other)));
        assert_ne!(digest(Some(&one)), digest(None));
        assert!(!format!("{one:?}").contains("canary"));
    }

    #[test]
    fn shares() {
        for (text, expected) in [("5%", 0.05), ("0%", 0.0), ("100%", 1.0), ("0.5%", 0.005)] {
            assert_eq!(share(text).ok(), Share::new(expected), "{text}");
        }
        for text in ["", "%", "5", "0.05", "-1%", "101%", "5 %", "1e1%", "nan%", "+5%", "5%%"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(
            share("0.05").err().and_then(|fault| fault.help).as_deref(),
            Some("did you mean `5%`?")
        );
    }
}
