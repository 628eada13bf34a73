//! What the admin side serves: one table of methods, paths, and who may ask.

use std::borrow::Cow;

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::admin::auth::Scope;
use crate::admin::reply::Fault;

/// What is asked for. Its kind says what it takes: nothing, a token that may read, or one that may
/// write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Page(Page),
    Look(Look),
    Change(Change),
}

/// For whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Home,
    Livez,
    Readyz,
    Metrics,
}

/// For those who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Description,
    Kills,
    Approvals,
    Approval,
    Runs,
    Run,
    Policies,
    Budgets,
    Breakers,
    Unknown,
    Pins,
}

/// For those who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Kill,
    LiftKill,
    Approve,
    Deny,
    MintRun,
    StopRun,
    ClearUnknown,
    ApprovePin,
}

/// One place of the admin side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub method: &'static str,
    /// With at most one `{id}`, a whole segment.
    pub path: &'static str,
    pub operation: Operation,
}

/// All of them. `openapi.json` describes them.
pub(super) const ROUTES: &[Route] = &[
    page("/", Page::Home),
    page("/livez", Page::Livez),
    page("/readyz", Page::Readyz),
    page("/metrics", Page::Metrics),
    look("/v1/openapi.json", Look::Description),
    look("/v1/kills", Look::Kills),
    change("POST", "/v1/kills", Change::Kill),
    change("DELETE", "/v1/kills/{id}", Change::LiftKill),
    look("/v1/approvals", Look::Approvals),
    look("/v1/approvals/{id}", Look::Approval),
    change("POST", "/v1/approvals/{id}/approve", Change::Approve),
    change("POST", "/v1/approvals/{id}/deny", Change::Deny),
    look("/v1/runs", Look::Runs),
    change("POST", "/v1/runs", Change::MintRun),
    look("/v1/runs/{id}", Look::Run),
    change("POST", "/v1/runs/{id}/stop", Change::StopRun),
    look("/v1/policies", Look::Policies),
    look("/v1/budgets", Look::Budgets),
    look("/v1/breakers", Look::Breakers),
    look("/v1/unknown", Look::Unknown),
    change("DELETE", "/v1/unknown/{id}", Change::ClearUnknown),
    look("/v1/pins", Look::Pins),
    change("POST", "/v1/pins/{id}/approve", Change::ApprovePin),
];

const fn page(path: &'static str, page: Page) -> Route {
    Route { method: "GET", path, operation: Operation::Page(page) }
}

const fn look(path: &'static str, look: Look) -> Route {
    Route { method: "GET", path, operation: Operation::Look(look) }
}

const fn change(method: &'static str, path: &'static str, change: Change) -> Route {
    Route { method, path, operation: Operation::Change(change) }
}

impl Operation {
    /// What a token must allow; `None` where none is needed.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::Page(_) => None,
            Self::Look(_) => Some(Scope::Read),
            Self::Change(_) => Some(Scope::Write),
        }
    }
}

/// The page that is served at a path to whoever asks for it, under whatever host.
pub(super) fn page_at(path: &str) -> Option<Page> {
    ROUTES.iter().find_map(|route| match route.operation {
        Operation::Page(page) if route.path == path => Some(page),
        Operation::Page(_) | Operation::Look(_) | Operation::Change(_) => None,
    })
}

/// The route of a request and, if it names one, the id in its path.
///
/// # Errors
/// 404 and 405.
pub(super) fn find<'p>(
    method: &Method,
    path: &'p str,
) -> Result<(&'static Route, Cow<'p, str>), Fault> {
    let asked = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut allow: Option<&'static str> = None;
    for route in ROUTES {
        let Some(id) = id_in(route.path, path) else { continue };
        if route.method != asked {
            allow = Some(match (allow, route.method) {
                (Some("GET"), "POST") | (Some("POST"), "GET") => "GET, POST",
                (_, method) => method,
            });
            continue;
        }
        let id = percent_decode_str(id).decode_utf8();
        let id = id.map_err(|_| Fault::not_found("The path is not UTF-8."))?;
        return Ok((route, id));
    }
    match allow {
        Some(methods) => {
            let detail = format!("{path} takes {methods}.");
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Err(Fault::new(status, "method-not-allowed", detail).allowing(methods))
        }
        None => {
            Err(Fault::not_found("There is nothing here; /v1/openapi.json says what there is."))
        }
    }
}

/// The segment that stands for `{id}`, empty when the pattern has none; `None` when the path is
/// another.
fn id_in<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_routes() {
        let found = |method: Method, path| {
            find(&method, path).ok().map(|(route, id)| (route.operation, id.into_owned()))
        };
        let page = found(Method::HEAD, "/livez");
        assert_eq!(page, Some((Operation::Page(Page::Livez), String::new())));
        let lift = found(Method::DELETE, "/v1/kills/a%2Fb");
        assert_eq!(lift, Some((Operation::Change(Change::LiftKill), "a/b".to_owned())));
        assert_eq!(found(Method::DELETE, "/v1/kills/a/b"), None);
        assert_eq!(found(Method::DELETE, "/v1/kills/"), None);
        assert_eq!(found(Method::PUT, "/v1/kills"), None);
    }
}
