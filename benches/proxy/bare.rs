//! The yardstick: a pass-through of hyper and nothing else. Bodies stream, connections to the
//! upstream are pooled, headers of one connection are dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONNECTION, HOST};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Upstream = Client<HttpConnector, Incoming>;

/// Serves until it is killed, on a port it prints.
pub fn serve(upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(accept(upstream));
}

async fn accept(upstream: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(256).build(connector);
    let authority: Authority = upstream.to_string().parse().expect("an address is an authority");
    let target = Arc::new((client, authority));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("TCP has it");
        let target = Arc::clone(&target);
        let service = service_fn(move |request| forward(Arc::clone(&target), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn forward(
    target: Arc<(Upstream, Authority)>,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let (client, authority) = &*target;
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority.clone());
    *request.uri_mut() = Uri::from_parts(uri).expect("scheme, authority and path are there");
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().remove(HOST);
    let mut response = client.request(request).await?;
    response.headers_mut().remove(CONNECTION);
    Ok(response)
}
