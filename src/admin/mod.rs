//! The admin side: health and metrics for whoever asks, and for holders of a token what operators
//! do: kill switches, approvals, runs.

mod approvals;
mod auth;
mod budgets;
mod health;
mod kill;
mod mint;
mod pins;
mod reply;
mod request;
mod routes;
mod runs;
mod serve;
mod state;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use ulid::Ulid;

pub use kill::restore;
pub use pins::{keep_pins, restore_pins};
pub use serve::serve;
pub use state::{StateError, StateFolder};

use crate::config::settings::Settings;
use crate::ledger::Decision;
use crate::pipeline::Gate;
use auth::{Scope, Tokens};
use reply::{Fault, Reply, text_reply};
use routes::{Change, Look, Operation};

/// Largest body of a request to the admin side.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// The description of everything below `/v1/` (OpenAPI 3.1).
const DESCRIPTION: &str = include_str!("openapi.json");

/// What the admin listener tells of and does.
pub struct Admin {
    gate: Arc<Gate>,
    /// Cleared when the gate begins to drain.
    ready: AtomicBool,
    tokens: Tokens,
    /// Hosts other than those of the loopback interface.
    hosts: Vec<String>,
    folder: StateFolder,
    /// Held while what is switched off is changed, so that memory and disk change alike.
    kept: Mutex<()>,
}

/// The admin side could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("no admin token could be made: {0}")]
    Random(std::io::Error),
}

/// An admin side that is ready, and the token that was made for it when the config names none.
pub struct Opened {
    pub admin: Arc<Admin>,
    pub token: Option<SecretString>,
    /// Why commands will not find the token that was made.
    pub token_unkept: Option<StateError>,
}

impl Admin {
    /// The admin side of a gate that is ready to serve at `at`.
    ///
    /// # Errors
    /// When the system gives no randomness for a token.
    pub fn open(
        gate: Arc<Gate>,
        settings: &Settings,
        at: SocketAddr,
    ) -> Result<Opened, AdminError> {
        let folder = StateFolder::new(&settings.state);
        let configured = &settings.admin_tokens;
        let mut token_unkept = None;
        let made = if configured.read.is_none() && configured.write.is_none() {
            let token = SecretString::from(state::random_hex().map_err(AdminError::Random)?);
            token_unkept = folder.write_token(token.expose_secret()).err();
            Some(token)
        } else {
            None
        };
        let key = state::random_hex().map_err(AdminError::Random)?;
        let write = made.as_ref().or(configured.write.as_ref());
        let tokens = Tokens::new(&key, configured.read.as_ref(), write);
        let mut hosts = settings.admin_hosts.clone();
        if !at.ip().is_unspecified() {
            hosts.push(match at {
                SocketAddr::V4(at) => at.ip().to_string(),
                SocketAddr::V6(at) => format!("[{}]", at.ip()),
            });
        }
        let ready = AtomicBool::new(true);
        let admin = Self { gate, ready, tokens, hosts, folder, kept: Mutex::new(()) };
        Ok(Opened { admin: Arc::new(admin), token: made, token_unkept })
    }

    /// From now on `/readyz` says that no new calls should be sent here.
    pub fn draining(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        match self.answer_or_fault(request).await {
            Ok(reply) => reply,
            Err(fault) => fault.into_reply(),
        }
    }

    /// Who asks is settled before it is looked at what for, so that nobody learns even what there is.
    async fn answer_or_fault(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Fault> {
        let (parts, incoming) = request.into_parts();
        let path = parts.uri.path();
        if let Some(page) = routes::page_at(path) {
            routes::find(&parts.method, path)?;
            return Ok(self.page(page, &parts.headers));
        }
        let host = auth::host(&parts, &self.hosts)?;
        auth::origin(&parts.headers, &host)?;
        let scope = self.tokens.scope(&parts.headers)?;
        let (route, id) = routes::find(&parts.method, path)?;
        if let Some(needed) = route.operation.scope() {
            scope.covers(needed)?;
        }
        let query = parts.uri.query().unwrap_or_default();
        match route.operation {
            Operation::Page(page) => Ok(self.page(page, &parts.headers)),
            Operation::Look(look) => self.look(look, &id, query, scope),
            Operation::Change(change) => {
                if !query.is_empty() {
                    return Err(Fault::invalid("A write takes no query."));
                }
                request::declares_json(&parts.method, &parts.headers)?;
                let body = body(incoming).await?;
                let id = id.into_owned();
                // Writing to disk would hold up the calls that share this thread.
                let done = tokio::task::spawn_blocking(move || self.change(change, &id, &body));
                done.await.unwrap_or_else(|_| {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    Err(Fault::new(status, "internal", "This failed; what it did is not known."))
                })
            }
        }
    }

    fn look(&self, look: Look, id: &str, query: &str, scope: Scope) -> Result<Reply, Fault> {
        match look {
            Look::Description => Ok(description()),
            Look::Kills => request::no_query(query).map(|()| self.list_kills()),
            Look::Runs => request::no_query(query).map(|()| self.list_runs()),
            Look::Run => self.show_run(id),
            Look::Policies => request::no_query(query).map(|()| self.list_policies()),
            Look::Budgets => request::no_query(query).map(|()| self.list_budgets(scope)),
            Look::Breakers => request::no_query(query).map(|()| self.list_breakers()),
            Look::Pins => request::no_query(query).map(|()| self.list_pins()),
            Look::Unknown => request::no_query(query).map(|()| self.list_unknown()),
            Look::Approvals => self.list_approvals(query, scope),
            Look::Approval => self.show_approval(id, scope),
        }
    }

    fn change(&self, change: Change, id: &str, body: &Bytes) -> Result<Reply, Fault> {
        match change {
            Change::Kill => self.kill(body),
            Change::Approve => self.decide(id, Decision::Approve, body),
            Change::Deny => self.decide(id, Decision::Deny, body),
            Change::ApprovePin => self.approve_pin(id, body),
            Change::MintRun => self.mint_run(body),
            Change::StopRun => self.stop_run(id, body),
            Change::ClearUnknown => self.clear_unknown(id, request::UNNAMED_ACTOR),
            Change::LiftKill => self.lift_kill(id, request::UNNAMED_ACTOR),
        }
    }

    /// An id that sorts by time: the kind, `_`, 26 characters.
    fn fresh_id(&self, kind: &str) -> Arc<str> {
        let millis = u64::try_from(self.gate.clock.now().wall_ms).unwrap_or_default();
        let random = u128::from(fastrand::u64(..)) << 16 | u128::from(fastrand::u16(..));
        Arc::from(format!("{kind}_{}", Ulid::from_parts(millis, random)))
    }
}

fn description() -> Reply {
    let mut reply = text_reply(StatusCode::OK, DESCRIPTION);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

async fn body(body: Incoming) -> Result<Bytes, Fault> {
    let collected = Limited::new(body, BODY_LIMIT_BYTES).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| {
        let detail = format!("The body broke off, or is larger than {BODY_LIMIT_BYTES} bytes.");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let description: serde_json::Value = serde_json::from_str(DESCRIPTION).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                assert!(operation["operationId"].is_string(), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                let scope = operation["x-scope"].as_str().map(str::to_owned);
                described.insert((method.to_uppercase(), path.clone(), scope));
            }
        }
        let served = routes::ROUTES.iter().filter(|route| route.path != "/");
        let served: BTreeSet<_> = served
            .map(|route| {
                let scope = route.operation.scope().map(|scope| scope.name().to_owned());
                (route.method.to_owned(), route.path.to_owned(), scope)
            })
            .collect();
        assert_eq!(described, served);
        assert_eq!(description["openapi"], "3.1.0");
        assert_references_hold(&description, &description);
    }

    fn assert_references_hold(at: &serde_json::Value, whole: &serde_json::Value) {
        match at {
            serde_json::Value::Object(members) => {
                if let Some(place) = members.get("$ref").and_then(serde_json::Value::as_str) {
                    assert!(whole.pointer(place.trim_start_matches('#')).is_some(), "{place}");
                }
                members.values().for_each(|member| assert_references_hold(member, whole));
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| assert_references_hold(item, whole));
            }
            _ => {}
        }
    }
}
