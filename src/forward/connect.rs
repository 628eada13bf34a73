//! The connection to one upstream: pooled, HTTP/1.1 or HTTP/2, TLS where the config says https.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::call::{Transport, Wire};
use crate::forward::Timeouts;
use crate::forward::connector::{self, InTime, READ_LIMIT_BYTES, TlsError};
use crate::forward::handover::Handed;
use crate::forward::wire::Dialer;
use crate::stdio::{Host, Spec};

/// Idle connections kept to one upstream.
const IDLE_CONNECTIONS_LIMIT: usize = 256;

/// How long an idle connection is kept.
const IDLE_KEEP: Duration = Duration::from_secs(60);

/// What the config says of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    pub name: Arc<str>,
    /// Scheme, authority and a base path without a trailing slash.
    pub url: Uri,
    pub timeouts: Timeouts,
    /// Credentials and other headers that every request carries in place of the agent's own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A server that is started here, and reached in memory.
    pub command: Option<Spec>,
    /// Certificates to trust instead of the public roots, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// An upstream that calls can be sent to.
pub struct Upstream {
    pub(super) client: Client<InTime, Handed>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) base_path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) response_timeout: Duration,
    pub(super) idle_timeout: Duration,
    host: Option<Arc<Host>>,
    wire: Arc<Wire>,
}

/// An upstream that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL of upstream `{0}` has no scheme or no host")]
    Url(Arc<str>),
    #[error("upstream `{name}`: {error}")]
    Tls { name: Arc<str>, error: TlsError },
}

impl Upstream {
    /// Sets the client up; connects nowhere yet.
    ///
    /// # Errors
    /// When the URL is not absolute or the certificates do not load.
    pub fn new(spec: &UpstreamSpec) -> Result<Self, ConnectError> {
        let url_error = || ConnectError::Url(spec.name.clone());
        let scheme = spec.url.scheme().cloned().ok_or_else(url_error)?;
        let authority = spec.url.authority().cloned().ok_or_else(url_error)?;
        let host = spec.command.clone().map(Host::new);
        let dialer = match &host {
            Some(host) => Dialer::Memory(Arc::clone(host)),
            None => connector::network(),
        };
        let connector = InTime::new(dialer, spec.ca_pem.as_deref(), spec.timeouts.connect)
            .map_err(|error| ConnectError::Tls { name: spec.name.clone(), error })?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEEP)
            .http1_max_buf_size(READ_LIMIT_BYTES)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_LIMIT)
            // Attempts are counted by `send`, and only made when nothing was sent.
            .retry_canceled_requests(false)
            .set_host(true)
            .build(connector);
        Ok(Self {
            client,
            scheme,
            authority,
            base_path: spec.url.path().trim_end_matches('/').to_owned(),
            headers: spec.headers.clone(),
            response_timeout: spec.timeouts.response,
            idle_timeout: spec.timeouts.idle,
            host,
            wire: Arc::new(wire(spec)),
        })
    }

    /// Where it is, for spans.
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Ends what was started for it.
    pub async fn shutdown(&self) {
        if let Some(host) = &self.host {
            host.shutdown().await;
        }
    }

    /// Ends streams that would go on for ever.
    pub fn hush(&self) {
        if let Some(host) = &self.host {
            host.hush();
        }
    }

    /// Longest wait between two pieces of an answer's body.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }
}

fn wire(spec: &UpstreamSpec) -> Wire {
    if spec.command.is_some() {
        return Wire { transport: Transport::Pipe, ..Wire::default() };
    }
    let (scheme, host) = (spec.url.scheme_str().unwrap_or_default(), spec.url.host());
    let host = host.unwrap_or_default();
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = spec.url.port_u16();
    let shown = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = spec.url.path().trim_end_matches('/');
    Wire {
        base: format!("{scheme}://{host}{shown}{path}").into(),
        host: host.trim_matches(['[', ']']).into(),
        port: port.or(Some(usual)),
        transport: Transport::Tcp,
    }
}
