//! Opens connections within a limit of time, TLS where the URL says https: to upstreams, and to
//! whatever else the gate calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::Service;

use crate::forward::wire::{Dialer, Wire};

/// Most that is read of a connection at a time. What an answer begins with may be any number of heads
/// that say nothing (`100 Continue`), which are passed over without a pause until so much was read.
pub const READ_LIMIT_BYTES: usize = 64 * 1024;

/// Connects within a limit of time, TLS included.
#[derive(Clone)]
pub struct InTime {
    connector: HttpsConnector<Dialer>,
    limit: Duration,
}

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificates cannot be read")]
    Certificates,
    #[error("TLS cannot be set up: {0}")]
    Protocol(String),
}

/// What hyper's client wants of a connector.
type ConnectorError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<Wire>>;

impl InTime {
    /// Over the network, trusting the certificates in `ca_pem` instead of the public roots.
    ///
    /// # Errors
    /// When the certificates do not load.
    pub fn over_network(ca_pem: Option<&[u8]>, limit: Duration) -> Result<Self, TlsError> {
        Self::new(network(), ca_pem, limit)
    }

    pub(super) fn new(
        dialer: Dialer,
        ca_pem: Option<&[u8]>,
        limit: Duration,
    ) -> Result<Self, TlsError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_pem)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(dialer);
        Ok(Self { connector, limit })
    }
}

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

/// Dials over TCP.
pub(super) fn network() -> Dialer {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    Dialer::Network(tcp)
}

fn tls(ca_pem: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Protocol(error.to_string()))?;
    let Some(pem) = ca_pem else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| TlsError::Certificates)?;
        roots.add(certificate).map_err(|_| TlsError::Certificates)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Certificates);
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
