//! Tools behind TLS: certificates are checked, HTTP/2 is taken where it is offered.

use std::sync::Arc;

use http::Version;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Setup, Tool, get, post};

pub type Issuer = CertifiedIssuer<'static, KeyPair>;

pub fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

pub fn acceptor(issuer: &Issuer, name: &str, alpn: &[&str]) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn before(port: u16, issuer: &Issuer) -> Setup {
    Setup::at(&format!("https://localhost:{port}/base"))
        .file("ca.pem", &issuer.pem())
        .upstream("ca_file: ./ca.pem")
}

#[tokio::test]
async fn http2_by_alpn_and_http1_where_it_is_not_offered() {
    for (alpn, version) in [
        (["h2", "http/1.1"].as_slice(), Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let issuer = authority();
        let tool = Tool::start_with(Some(acceptor(&issuer, "localhost", alpn))).await;
        let gate = before(tool.address.port(), &issuer).start().await;
        for number in 0..3 {
            let answer = gate.send(post("/svc/items", &json!({ "number": number }))).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let ledger = tool.ledger();
        assert_eq!(ledger.len(), 3);
        for (number, arrived) in ledger.iter().enumerate() {
            assert_eq!((arrived.version, &*arrived.target), (version, "/base/items"));
            let body = format!("{{\"number\":{number}}}");
            assert_eq!(arrived.body.as_deref(), Some(body.as_bytes()));
        }
    }
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused() {
    let issuer = authority();
    for (trusted, name) in [(authority(), "localhost"), (authority(), "other")] {
        let own = if name == "other" { &trusted } else { &issuer };
        let tool = Tool::start_with(Some(acceptor(own, name, &[]))).await;
        let gate = before(tool.address.port(), &trusted).start().await;
        let answer = gate.send(post("/svc/items", &json!({}))).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["error_class"]), (502, &json!("connect")));
        assert_eq!(problem["executed"], false);
        assert_eq!(tool.count(), 0);
    }
}

/// A tool that takes the connection and then does not speak TLS has certainly not been asked.
#[tokio::test]
async fn a_handshake_that_does_not_come_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello).await;
            kept.push(stream);
        }
    });
    let gate = before(port, &authority()).upstream("timeouts: { connect: 300ms }").start().await;
    let answer = gate.send(get("/svc/items")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error_class"]), (502, &json!("connect")));
    let answer = gate.send(post("/svc/items", &json!({}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["executed"]), (502, &json!(false)));
    for event in gate.calls(2).await {
        assert_eq!((&event["status"], &event["error_class"]), (&json!("error"), &json!("connect")));
    }
}
