//! A request of the gate's own, beside the calls it forwards: nobody's call, so nothing is admitted
//! for it, and nobody's answer.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::forward::Upstream;
use crate::forward::attempt::{HANDOVERS_LIMIT, was_never_sent};
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
        let mut headers = headers;
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let answer = self.hand_over(&uri, &headers, &body).await?;
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

    /// Hands a request to a connection; to another one when that turned out to be closed before a
    /// byte was sent on it.
    async fn hand_over(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, AsideError> {
        for _ in 0..HANDOVERS_LIMIT {
            let mut request = Request::new(Handover::default().body(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            match self.client.request(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) if was_never_sent(&error) && !error.is_connect() => {}
                Err(_) => break,
            }
        }
        Err(AsideError::Unreachable)
    }
}
