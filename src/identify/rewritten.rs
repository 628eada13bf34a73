//! A call whose arguments rules have changed: read again as strictly as it was the first time, so
//! that what is judged, hashed and sent are still the same bytes.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::call::Language;
use crate::identify::query::{self, Query};
use crate::identify::{Call, Identity, Target, Terms, body, contract, mcp, path};
use crate::json::splice::{self, Step};
use crate::json::{Digest, Document};
use crate::policy::rewrite::{Changed, Wanted};
use crate::protocol::mcp::headers;

/// Headers that vouch for a body as it was (RFC 9530 and what came before it).
const BODY_DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why arguments cannot be changed as rules want. The messages quote no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteFault {
    #[error("the call has no object to set `{0}` in")]
    NoParent(String),
    #[error("another name than `{0}` could be read as it")]
    Ambiguous(String),
    #[error("`{0}` stands in the path or the query, which hold texts, numbers and booleans only")]
    NotPlain(String),
    #[error("what `{0}` would become cannot stand in the path")]
    Path(String),
    #[error("what the arguments would become cannot be sent: {0}")]
    Unsendable(String),
}

/// A call's arguments as they would be.
pub struct Draft {
    body: Bytes,
    path: String,
    query: Option<String>,
    args: Document,
    digest: Digest,
    args_bytes: u64,
    key: u64,
    textual: Box<[String]>,
}

/// The parts that arguments come from, while they are changed.
struct Parts {
    body: String,
    takes_body: bool,
    parameters: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Call {
    /// What the call would be with the changes that rules want, and in `tally` what each of them
    /// changed.
    ///
    /// # Errors
    /// When it could not be sent so that every reader reads it alike.
    pub fn draft(
        &self,
        wanted: &Wanted<'_>,
        tally: &mut [Changed],
        terms: &Terms,
    ) -> Result<Draft, RewriteFault> {
        if let Some(name) = wanted.ambiguous(self.args.root()) {
            return Err(RewriteFault::Ambiguous(name));
        }
        let mut parts = Parts::of(self, terms)?;
        let before = parts.parameters.clone();
        for (place, names, json) in wanted.sets() {
            if parts.set(names, json)?
                && let Some(changed) = tally.get_mut(place)
            {
                changed.any = true;
            }
        }
        if let Some(text) = wanted.redact_json(&parts.body, tally) {
            parts.body = text;
        }
        for (name, value) in parts.parameters.iter_mut().chain(&mut parts.query) {
            let path = [Step::Member(name.as_str().into())];
            if let Some(text) = wanted.redact_text(&path, value, tally) {
                *value = text;
            }
        }
        let path = if parts.parameters == before {
            self.path.clone()
        } else {
            self.path_with(&parts.parameters, terms)?
        };
        parts.read(self, path, terms)
    }

    /// Takes over what was drafted.
    pub fn adopt(&mut self, draft: Draft) {
        let Draft { body, path, query, args, digest, args_bytes, key, textual } = draft;
        for name in BODY_DIGESTS {
            self.headers.remove(name);
        }
        if self.body.is_empty() && !body.is_empty() {
            self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.body = body;
        self.path = path;
        self.query = query;
        self.args = args;
        self.args_digest = digest;
        self.args_bytes = args_bytes;
        self.key = key;
        self.textual = textual;
        let pinned = self.message.as_ref().and_then(|message| message.pinned.as_ref());
        if let Some(known) = pinned {
            // Fields that repeat arguments say what those have become.
            headers::mirror(&known.mirrored, &mut self.headers, self.args.root().as_object());
        }
        if let Some(order) = &mut self.order {
            **order = order.with(self.args.root());
        }
    }

    /// The path with other parameters, still that of the same tool.
    fn path_with(
        &self,
        parameters: &[(String, String)],
        terms: &Terms,
    ) -> Result<String, RewriteFault> {
        let changed = || {
            let first = parameters.first().map(|(name, _)| name.clone());
            RewriteFault::Path(first.unwrap_or_default())
        };
        let target = self.target(&self.path).ok_or_else(changed)?;
        let filled = terms.routes.refill(&self.method, &target, parameters).ok_or_else(changed)?;
        let target = self.target(&filled).ok_or_else(changed)?;
        let routed = terms.routes.find(&self.method, &target).map_err(|_| changed())?;
        let same = routed.tool.name == self.tool.name && routed.parameters == parameters;
        if same { Ok(routed.path) } else { Err(changed()) }
    }

    fn target(&self, below: &str) -> Option<Target> {
        let path = path::canonical(&format!("/{}{below}", self.upstream)).ok()?;
        Some(Target { path, query: Query::default() })
    }
}

impl Parts {
    fn of(call: &Call, terms: &Terms) -> Result<Self, RewriteFault> {
        let unsendable = |fault: &dyn ToString| RewriteFault::Unsendable(fault.to_string());
        let parameters = match &call.language {
            Language::Llm(_) | Language::Mcp(_) => Vec::new(),
            Language::Http => {
                let target = call.target(&call.path).ok_or_else(|| unsendable(&"the path"))?;
                let routed = terms.routes.find(&call.method, &target);
                routed.map_err(|_| unsendable(&"the path"))?.parameters
            }
        };
        let query = query::parse(call.query.as_deref().unwrap_or_default())
            .map_err(|fault| unsendable(&fault))?;
        let without = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
        Ok(Self {
            // It was read as JSON before, and so is UTF-8.
            body: String::from_utf8_lossy(&call.bound_bytes()).into_owned(),
            takes_body: !without.contains(&call.method),
            parameters,
            query: query.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    /// Sets one argument where it comes from; a new one in the body or, where there can be none, in
    /// the query. Whether that changes anything.
    fn set(&mut self, names: &[Box<str>], json: &str) -> Result<bool, RewriteFault> {
        let shown = || names.join(".");
        let Some((first, inner)) = names.split_first() else { return Ok(false) };
        let mut pairs = self.parameters.iter_mut().chain(&mut self.query);
        let pair = pairs.find(|(name, _)| **name == **first);
        if pair.is_none() && self.takes_body {
            let before = if self.body.is_empty() { "{}" } else { &self.body };
            let after = splice::assign(before, names, json)
                .ok_or_else(|| RewriteFault::NoParent(shown()))?;
            let changes = after != self.body;
            self.body = after;
            return Ok(changes);
        }
        let value = plain(json).filter(|_| inner.is_empty());
        let value = value.ok_or_else(|| RewriteFault::NotPlain(shown()))?;
        match pair {
            Some((_, current)) => {
                let changes = *current != value;
                *current = value;
                Ok(changes)
            }
            None => {
                self.query.push((first.to_string(), value));
                Ok(true)
            }
        }
    }

    /// Reads the parts as those of a new request.
    fn read(self, call: &Call, path: String, terms: &Terms) -> Result<Draft, RewriteFault> {
        let unsendable = |what: &str| RewriteFault::Unsendable(what.to_owned());
        if self.body.len() > terms.body_limit(&call.upstream) {
            return Err(unsendable("the body is too large"));
        }
        let canonical = Query::from_pairs(self.query).canonical();
        let query = query::parse(canonical.as_deref().unwrap_or_default())
            .map_err(|fault| RewriteFault::Unsendable(fault.to_string()))?;
        let own = Bytes::from(self.body);
        let args = body::arguments(&own, &self.parameters, &query)
            .map_err(|refusal| RewriteFault::Unsendable(refusal.message))?;
        let Identity { digest, bytes: args_bytes, key } =
            Identity::of(&args, &call.tool, &call.ignored, terms, own.len());
        let body = match &call.language {
            Language::Http | Language::Llm(_) => own,
            Language::Mcp(_) if own == call.bound_bytes() => call.body.clone(),
            Language::Mcp(_) => mcp::with_arguments(&call.body, &own)
                .ok_or_else(|| unsendable("the message has no place for them"))?,
        };
        let textual = contract::textual(&call.plan, self.parameters, &query);
        let query = query.canonical();
        Ok(Draft { body, path, query, args, digest, args_bytes, key, textual })
    }
}

/// The text of a scalar as a path or a query holds it.
fn plain(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => Some(splice::unquoted(json).into_owned()),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}
