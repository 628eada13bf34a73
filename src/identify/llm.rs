//! A call to a model API.

use ::http::Request;
use hyper::body::Incoming;

use crate::call::{Provider, Refusal};
use crate::identify::head::{Head, malformed};
use crate::identify::{Call, Desk, Target};
use crate::protocol::NamedTools;

pub(super) async fn call(
    head: &Head,
    request: Request<Incoming>,
    target: &Target,
    (provider, tools): (Provider, &NamedTools),
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let _ = (head, request, target, provider, tools, desk);
    Err(malformed("model APIs are not spoken yet"))
}
