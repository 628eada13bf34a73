//! What passes through a watched connection, with hyper behind it as in the gate.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{Fault, HeadBounds, HeadFault, LINGER_TIME, REFUSED_METHOD, Times, Watched};

const BOUNDS: HeadBounds = HeadBounds { head_bytes: 2_048, headers: 16 };
const STALL: Duration = Duration::from_secs(15);
const HEAD: Duration = Duration::from_secs(10);
const TIMES: Times = Times { head: HEAD, stall: STALL };

/// The runtime's own time, which stands still while anything can be done.
#[expect(clippy::disallowed_methods, reason = "it is virtual")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// What the service saw: `METHOD TARGET body`, or a fault of the head or the body.
type Seen = Arc<Mutex<Vec<String>>>;

/// The client's end of a connection to a server that notes what it sees and answers `ok`.
fn served(seen: &Seen, answer_bytes: usize) -> (DuplexStream, tokio::task::JoinHandle<bool>) {
    // Small, so that every message is cut somewhere; and an answer of 2 bytes fits whole.
    let (client, server) = duplex(256);
    let fault = Fault::default();
    let watched = Watched::new(server, BOUNDS, TIMES, Arc::clone(&fault));
    let seen = Arc::clone(seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, fault) = (Arc::clone(&seen), Arc::clone(&fault));
        async move {
            let (parts, body) = request.into_parts();
            let line = if parts.method.as_str() == REFUSED_METHOD {
                format!("refused {:?}", fault.get())
            } else {
                match body.collect().await {
                    Ok(body) => {
                        let body = body.to_bytes();
                        format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body))
                    }
                    Err(_) => "broken".to_owned(),
                }
            };
            seen.lock().push(line);
            let answer = Bytes::from(vec![b'.'; answer_bytes]);
            Ok::<_, Infallible>(Response::new(Full::new(answer)))
        }
    });
    let connection = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(watched), service)
        .into_owned();
    (client, tokio::spawn(async move { connection.await.is_ok() }))
}

/// Sends `pieces` one after the other and reads until the server closes.
async fn exchange(pieces: &[&[u8]]) -> (Vec<String>, String) {
    let seen = Seen::default();
    let (client, server) = served(&seen, 2);
    let (mut from, mut to) = tokio::io::split(client);
    let reading = tokio::spawn(async move {
        let mut answers = Vec::new();
        let _ = from.read_to_end(&mut answers).await;
        answers
    });
    for piece in pieces {
        // The server may have closed by now.
        let _ = to.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let _ = to.shutdown().await;
    let _ = server.await;
    let answers = reading.await.expect("reading does not panic");
    let seen = seen.lock().clone();
    (seen, String::from_utf8_lossy(&answers).into_owned())
}

const LAST: &str = "GET /last HTTP/1.1\r\nconnection: close\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn messages_arrive_as_they_were_sent_wherever_they_are_cut() {
    let text = format!(
        "POST /one HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
         POST /two HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\r\n\r\r\n2\r\nlo\r\n0\r\n\r\n\
         GET /three HTTP/1.1\r\n\r\n{LAST}"
    );
    let expected = ["POST /one hello", "POST /two \r\n\rlo", "GET /three ", "GET /last "];
    let bytes = text.as_bytes();
    for cut in 0..bytes.len() {
        let (seen, _) = exchange(&[&bytes[..cut], &bytes[cut..]]).await;
        assert_eq!(seen, expected, "cut at {cut}");
    }
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    let (seen, answers) = exchange(&each).await;
    assert_eq!(seen, expected);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_is_answered_after_those_before_it_and_nothing_after_it_is_read() {
    let text = "POST /one HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
                GET /two HTTP/1.1\r\nX: a\n\r\n\
                GET /three HTTP/1.1\r\n\r\n";
    let expected =
        ["POST /one hello".to_owned(), format!("refused {:?}", Some(HeadFault::LineEnd))];
    let bytes = text.as_bytes();
    for cut in 0..bytes.len() {
        let (seen, answers) = exchange(&[&bytes[..cut], &bytes[cut..]]).await;
        assert_eq!(seen, expected, "cut at {cut}");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_play_the_stand_in() {
    let text = format!("{REFUSED_METHOD} / HTTP/1.1\r\nhost: refused\r\n\r\n{LAST}");
    let (seen, _) = exchange(&[text.as_bytes()]).await;
    assert_eq!(seen, ["refused None", "GET /last "]);
}

#[tokio::test(start_paused = true)]
async fn a_badly_framed_body_breaks_where_it_stands() {
    let text =
        "POST /one HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n";
    let (seen, answers) = exchange(&[text.as_bytes()]).await;
    assert_eq!(seen, ["broken"]);
    assert!(answers.starts_with("HTTP/1.1 200 OK"), "it can still be answered: {answers}");
}

#[tokio::test(start_paused = true)]
async fn http2_passes_untouched() {
    let seen = Seen::default();
    let (client, _server) = served(&seen, 2);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
            .await
            .expect("the preface passes");
    tokio::spawn(connection);
    let request = Request::post("http://x/one").body(Full::new(Bytes::from("a\n\nb")));
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(*seen.lock(), ["POST http://x/one a\n\nb"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let seen = Seen::default();
    let (mut client, server) = served(&seen, 100_000);
    client.write_all(LAST.as_bytes()).await.expect("sent");
    let before = now();
    assert!(!server.await.expect("no panic"), "the connection ends with an error");
    assert_eq!(before.elapsed(), STALL);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_slowly_is_not() {
    let seen = Seen::default();
    let (mut client, server) = served(&seen, 2_000);
    client.write_all(LAST.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut piece = [0; 64];
    loop {
        tokio::time::sleep(STALL - Duration::from_secs(1)).await;
        let count = client.read(&mut piece).await.expect("not cut off");
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    assert!(answer.ends_with(&[b'.'; 2_000]));
    assert!(server.await.expect("no panic"));
}

#[tokio::test(start_paused = true)]
async fn what_is_still_being_sent_is_read_for_a_while_after_a_refusal() {
    let seen = Seen::default();
    let (mut client, server) = served(&seen, 2);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("sent");
    for _ in 0..1_000 {
        client.write_all(&[b'x'; 64]).await.expect("the server reads on");
    }
    let before = now();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("readable");
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    assert!(server.await.expect("no panic"));
    assert!(before.elapsed() <= LINGER_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_first_head_that_does_not_come_is_not_waited_for() {
    for begun in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM", "GET / HTTP/1.1\r\nHost:"] {
        let seen = Seen::default();
        let (mut client, server) = served(&seen, 2);
        client.write_all(begun.as_bytes()).await.expect("sent");
        let before = now();
        assert!(!server.await.expect("no panic"), "{begun:?}");
        assert_eq!(before.elapsed(), HEAD, "{begun:?}");
        assert!(seen.lock().is_empty());
    }
}

/// Pieces that heads are made of, good and bad.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"GET",
        b"POST",
        b" ",
        b"/",
        b"/a?b",
        b"*",
        b"x:1",
        b"http://x/",
        b" HTTP/1.1",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"Host: x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X: y\r\n",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\t",
        b":",
        b"%",
        b"{",
        b"\x80",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n",
    ];
    prop_oneof![
        30 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// hyper finds nothing to object to in what passes: every answer on the connection is the
    /// service's, so no request is answered without a record of it.
    #[test]
    fn hyper_refuses_nothing_that_passes(pieces in prop::collection::vec(piece(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let bytes = pieces.concat();
        let (seen, answers) = runtime.block_on(exchange(&[&bytes]));
        let answered = answers.matches("HTTP/1.1 ").count()
            - answers.matches("HTTP/1.1 100 Continue\r\n").count();
        prop_assert!(!answers.contains("HTTP/1.1 4"), "{answers}");
        prop_assert!(answered <= seen.len(), "{answers} {seen:?}");
    }
}
