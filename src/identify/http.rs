//! A call to a plain HTTP API: a method and a path name the tool, and the arguments stand in the path,
//! the query and the body.

use ::http::Request;
use hyper::body::Incoming;

use crate::call::{Language, Refusal, Standing};
use crate::identify::head::Head;
use crate::identify::{Call, Desk, Identity, Target, body, contract};
use crate::protocol::http::Routed;
use std::sync::Arc;

pub(super) async fn call(
    head: &Head,
    request: Request<Incoming>,
    target: &Target,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let terms = desk.terms;
    let (parts, body) = request.into_parts();
    let Routed { tool, upstream, path, parameters, ignored, plan, template } =
        terms.routes.find(&parts.method, target).inspect_err(|_| {
            desk.known.path = Some(target.path.shown());
        })?;
    desk.known.tool = Some(Arc::clone(&tool));
    desk.known.particulars.template = Some(template);
    let limit = desk.terms.body_limit(&upstream);
    let (bytes, share) = body::collect(&parts, body, limit, (terms, desk.room)).await?;
    let args = body::arguments(&bytes, &parameters, &target.query)?;
    let textual = contract::textual(&plan, parameters, &target.query);
    let Identity { digest: args_digest, bytes: args_bytes, key } =
        Identity::of(&args, &tool, &ignored, terms, bytes.len());
    desk.known.args = Some((args_digest, args_bytes));
    let call = Call {
        language: Language::Http,
        standing: Standing::Tool,
        method: parts.method,
        path,
        query: target.query.canonical(),
        headers: parts.headers,
        body: bytes,
        share,
        key,
        ignored,
        args_digest,
        tool,
        upstream,
        args,
        args_bytes,
        caller: terms.caller.clone(),
        trace: head.trace.clone(),
        plan,
        textual,
        intended: None,
        message: None,
        order: None,
    };
    call.keeps_to_contract()?;
    Ok(call)
}
