//! A well-behaved agent.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::ext::ReasonPhrase;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

use super::soon;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// The reason phrase, when it is not the status's own.
    pub phrase: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A kept connection.
pub enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    request(Method::GET, path, None)
}

pub fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    request(Method::POST, path, Some(body))
}

/// A request as a usual client makes it.
pub fn request(method: Method, path: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path).header("host", "gate");
    if body.is_some() {
        builder = builder.header("content-type", "application/json");
    }
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    builder.body(Full::new(body)).expect("a request")
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gate listens");
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    /// HTTP/2 with prior knowledge.
    pub async fn open_http2(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gate listens");
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// The head of an answer, and its body as it comes.
    pub async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(for_http2(request)).await
            }
        }
    }

    /// A whole answer; an error when the connection broke off.
    pub async fn try_send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        whole(self.begin(request).await?).await
    }

    /// As [`Self::send`], without naming the host in the target for HTTP/2.
    pub async fn send_as_it_is(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let Self::Http2(sender) = self else { panic!("only HTTP/2 changes what it sends") };
        let what = format!("an answer to {} {}", request.method(), request.uri());
        let sent = async {
            sender.ready().await?;
            whole(sender.send_request(request).await?).await
        };
        soon(&what, sent).await.expect("a whole answer")
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let what = format!("an answer to {} {}", request.method(), request.uri());
        soon(&what, self.try_send(request)).await.expect("a whole answer")
    }
}

async fn whole(answer: http::Response<Incoming>) -> hyper::Result<Answer> {
    let (parts, body) = answer.into_parts();
    let phrase = parts
        .extensions
        .get::<ReasonPhrase>()
        .map_or_else(String::new, |phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned());
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, phrase, headers: parts.headers, body })
}

/// HTTP/2 names the host in the target.
fn for_http2(request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let host = parts.headers.remove("host").expect("a host");
    let uri = format!("http://{}{}", host.to_str().expect("ASCII"), parts.uri);
    parts.uri = uri.parse().expect("a URL");
    Request::from_parts(parts, body)
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The value of a header that stands at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} stands twice");
        value.to_str().ok()
    }
}
