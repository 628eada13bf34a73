//! A request of the gate's own, beside the calls it forwards: nobody's call, so nothing is admitted
//! for it, and nobody's answer.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::forward::Upstream;
use crate::forward::handover::Handover;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsideError {
    #[error("no connection could be made, or no answer came on it")]
    Unreachable,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer broke off")]
    BrokenOff,
}

impl Upstream {
    /// Sends one request with the configured credentials and reads its answer, up to `limit_bytes`.
    /// It is not sent again, no redirect is followed, and the caller bounds its time. `path` stands
    /// below the upstream's own.
    ///
    /// # Errors
    /// Why there is no answer, without a word of what it says.
    pub async fn post_aside(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        limit_bytes: usize,
    ) -> Result<(StatusCode, Bytes), AsideError> {
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.base_path))
            .build()
            .map_err(|_| AsideError::Unreachable)?;
        let mut request = Request::new(Handover::default().body(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let answer = self.client.request(request).await.map_err(|_| AsideError::Unreachable)?;
        let status = answer.status();
        let collected = Limited::new(answer.into_body(), limit_bytes).collect().await;
        let body = collected.map_err(|error| {
            if error.is::<LengthLimitError>() {
                AsideError::TooLarge
            } else {
                AsideError::BrokenOff
            }
        })?;
        Ok((status, body.to_bytes()))
    }
}
