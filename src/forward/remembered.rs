//! The last good answers of tools that only read: given again, marked stale, when the tool is down.
//!
//! An answer is given only to a request that the tool could not have told from the one it answered:
//! same caller, policies, upstream, tool, target, body and headers, credentials included. Headers
//! that differ with every request and say nothing of what is asked are left out of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, SET_COOKIE, USER_AGENT, VARY,
};
use http::{Response, StatusCode};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use ring::digest::{Context, SHA256};

use crate::clock::Now;
use crate::forward::Upstream;
use crate::identify::Call;
use crate::weaken::Hole;

/// All answers together, heads included, in bytes.
const STORE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Answers that the store is laid out for.
const ANSWERS_EXPECTED: usize = 4_096;

/// Parts of the store, each with its own lock and its share of the limit.
const SHARDS: usize = 4;

/// What one answer and one of its headers take beside their text, in bytes.
const OVERHEAD_BYTES: usize = 128;

/// Headers that differ with every request and say nothing of what is asked.
const PASSING: [HeaderName; 5] = [
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-correlation-id"),
];

/// The last good answers of all tools. They outlive calls and reloads; a change of policies leaves
/// those of before behind.
#[derive(Debug)]
pub struct Remembered {
    answers: Cache<Question, Arc<Good>, BySize>,
}

/// Which question an answer was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question([u8; 32]);

/// A whole answer.
#[derive(Debug)]
pub(super) struct Good {
    kept_at: Duration,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone, Debug)]
struct BySize;

impl Weighter<Question, Arc<Good>> for BySize {
    fn weight(&self, _: &Question, good: &Arc<Good>) -> u64 {
        let head: usize = good
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD_BYTES)
            .sum();
        u64::try_from(head + good.body.len() + OVERHEAD_BYTES).unwrap_or(u64::MAX)
    }
}

impl Default for Remembered {
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(ANSWERS_EXPECTED)
            .weight_capacity(STORE_LIMIT_BYTES)
            .build();
        let answers = match options {
            Ok(options) => Cache::with_options(
                options,
                BySize,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(ANSWERS_EXPECTED, STORE_LIMIT_BYTES, BySize),
        };
        Self { answers }
    }
}

impl Remembered {
    /// Keeps an answer in place of the one before it.
    pub(super) fn keep(&self, question: Question, headers: HeaderMap, body: &[u8], now: Now) {
        let good = Good { kept_at: now.mono, headers, body: Bytes::copy_from_slice(body) };
        self.answers.insert(question, Arc::new(good));
    }

    /// The last good answer, if it is not older than `oldest`, and its age.
    pub(super) fn recall(
        &self,
        question: &Question,
        oldest: Duration,
        now: Now,
    ) -> Option<(Response<Bytes>, Duration)> {
        let good = self.answers.get(question)?;
        let age = now.since(good.kept_at);
        if age > oldest {
            self.answers.remove(question);
            return None;
        }
        let mut response = Response::new(good.body.clone());
        *response.headers_mut() = good.headers.clone();
        Some((response, age))
    }
}

impl Question {
    /// What is asked by a call that goes out with these headers.
    pub fn of(call: &Call, policy_version: &str, at: &Upstream, headers: &HeaderMap) -> Self {
        let mut hash = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            // With its length, so that no two lists of parts read alike.
            hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        let caller = &call.caller;
        for text in [&caller.tenant, &caller.project, &caller.user, &caller.agent] {
            part(text.as_bytes());
        }
        part(policy_version.as_bytes());
        part(call.upstream.as_bytes());
        for text in [at.scheme.as_str(), at.authority.as_str(), &at.base_path] {
            part(text.as_bytes());
        }
        part(call.tool.name.as_bytes());
        part(call.method.as_str().as_bytes());
        part(call.path.as_bytes());
        part(call.query.as_deref().unwrap_or_default().as_bytes());
        part(&call.body);
        let mut lines: Vec<(&str, &[u8])> = headers
            .iter()
            .filter(|(name, _)| !PASSING.contains(name))
            .filter(|(name, _)| **name != AUTHORIZATION || !Hole::SharedFallback.is_open())
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        // Stable: the order of two values of one header means something.
        lines.sort_by_key(|(name, _)| *name);
        for (name, value) in lines {
            part(name.as_bytes());
            part(value);
        }
        let mut question = [0; 32];
        question.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(question)
    }
}

/// Whether an answer may be given again to somebody who asks the same. It must not depend on what
/// is no part of the question.
pub(super) fn may_be_kept<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let says = |name: HeaderName, words: &[&str]| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let mut found = values.flat_map(|value| value.split(',')).map(|word| {
            let word = word.split('=').next().unwrap_or_default().trim();
            words.iter().any(|unwanted| word.eq_ignore_ascii_case(unwanted))
        });
        found.any(|unwanted| unwanted)
    };
    response.status() == StatusCode::OK
        && !headers.contains_key(SET_COOKIE)
        && !says(CACHE_CONTROL, &["no-store", "private"])
        && !says(VARY, &["*"])
        && !PASSING.iter().any(|name| says(VARY, &[name.as_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
    }

    fn question(number: u32) -> Question {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        Question(bytes)
    }

    #[test]
    fn an_answer_is_given_until_it_is_too_old() {
        let remembered = Remembered::default();
        remembered.keep(question(1), HeaderMap::new(), b"good", at(10));
        let oldest = Duration::from_secs(60);
        let (answer, age) = remembered.recall(&question(1), oldest, at(70)).unwrap();
        assert_eq!((answer.body().as_ref(), age), (b"good".as_slice(), oldest));
        assert!(remembered.recall(&question(2), oldest, at(70)).is_none());
        assert!(remembered.recall(&question(1), oldest, at(71)).is_none());
        assert!(remembered.recall(&question(1), oldest, at(70)).is_none(), "it is forgotten");
    }

    #[test]
    fn the_store_stays_within_its_bytes() {
        let remembered = Remembered::default();
        let body = vec![0; 1 << 20];
        for number in 0..300 {
            remembered.keep(question(number), HeaderMap::new(), &body, at(0));
        }
        assert!(remembered.answers.weight() <= STORE_LIMIT_BYTES);
        let kept = (0..300)
            .filter(|number| remembered.recall(&question(*number), Duration::MAX, at(0)).is_some())
            .count();
        assert!((30..=64).contains(&kept), "{kept}");
    }

    #[test]
    fn private_answers_are_not_kept() {
        let answer = |name: &str, value: &str| {
            may_be_kept(&Response::builder().header(name, value).body(()).unwrap())
        };
        assert!(answer("cache-control", "max-age=60, public"));
        assert!(answer("vary", "accept, baggage"));
        for (name, value) in [
            ("cache-control", "no-store"),
            ("Cache-Control", "max-age=60, Private"),
            ("cache-control", "private=\"x\""),
            ("vary", "*"),
            ("vary", "accept, User-Agent"),
            ("set-cookie", "a=b"),
        ] {
            assert!(!answer(name, value), "{name}: {value}");
        }
        assert!(!may_be_kept(&Response::builder().status(206).body(()).unwrap()));
    }
}
