//! The connection to one upstream: pooled, HTTP/1.1 or HTTP/2, TLS where the config says https.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::Service;

use crate::forward::Timeouts;
use crate::forward::handover::Handed;
use crate::forward::wire::{Dialer, Wire};
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
}

/// Connects within a limit of time, TLS included.
#[derive(Clone)]
pub(super) struct InTime {
    connector: HttpsConnector<Dialer>,
    limit: Duration,
}

/// What hyper's client wants of a connector.
type ConnectorError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<Wire>>;

impl Service<Uri> for InTime {
    type Response = Stream;
    type Error = ConnectorError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectorError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectorError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.connector.call(uri));
        Box::pin(async move { connecting.await.map_err(ConnectorError::from)? })
    }
}

/// An upstream that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL of upstream `{0}` has no scheme or no host")]
    Url(Arc<str>),
    #[error("the certificates of upstream `{0}` cannot be read")]
    Certificates(Arc<str>),
    #[error("TLS cannot be set up for upstream `{name}`: {reason}")]
    Tls { name: Arc<str>, reason: String },
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
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let host = spec.command.clone().map(Host::new);
        let dialer = match &host {
            Some(host) => Dialer::Memory(Arc::clone(host)),
            None => Dialer::Network(tcp),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(spec)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(dialer);
        let connector = InTime { connector, limit: spec.timeouts.connect };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEEP)
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
        })
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

fn tls(spec: &UpstreamSpec) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Tls {
            name: spec.name.clone(),
            reason: error.to_string(),
        })?;
    let Some(pem) = &spec.ca_pem else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let unreadable = || ConnectError::Certificates(spec.name.clone());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        return Err(unreadable());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
