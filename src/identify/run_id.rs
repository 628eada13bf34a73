//! stub
use super::trace::TraceParent;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
pub struct Resolved {
    pub id: Arc<str>,
    pub source: Src,
}
pub struct Src;
impl Src {
    pub fn name(&self) -> &'static str {
        "header"
    }
}
#[derive(Debug, thiserror::Error)]
#[error("bad")]
pub struct RunIdError;
pub fn resolve(
    h: &HeaderMap,
    p: Option<&str>,
    _c: Option<&HeaderName>,
    _t: Option<&TraceParent>,
) -> Result<Option<Resolved>, RunIdError> {
    let id = p.or_else(|| h.get("toolgate-run-id").and_then(|v| v.to_str().ok()));
    Ok(id.map(|id| Resolved { id: id.into(), source: Src }))
}
