//! The exporter before collectors of every temper: what it was given arrives, or is counted as
//! dropped, and its end does not wait for anybody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Version};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use toolgate::record::{self, DropReason, Exporter, Parcel, Protocol, SHUTDOWN_TIME, Tally};

use crate::harness::collector::{Collector, Mood};
use crate::harness::{soon, until};
use crate::tls::{acceptor, authority};

const BOTH: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::Grpc];

/// Becomes so many spans, numbered from `first`.
struct Numbered {
    first: u64,
    spans: u64,
    weight_bytes: usize,
}

impl Parcel for Numbered {
    fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    fn spans(&self) -> u64 {
        self.spans
    }

    fn unpack(self, spans: &mut Vec<SpanData>) {
        spans.extend((self.first..self.first + self.spans).map(span));
    }
}

fn span(number: u64) -> SpanData {
    let (trace, id) = (TraceId::from(u128::from(number) + 1), SpanId::from(number + 1));
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "execute_tool".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH + Duration::from_millis(5),
        attributes: vec![KeyValue::new("number", i64::try_from(number).expect("small"))],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("test").build(),
    }
}

fn to(address: SocketAddr, protocol: Protocol) -> record::Collector {
    at(&format!("http://{address}"), protocol)
}

fn at(base: &str, protocol: Protocol) -> record::Collector {
    record::Collector {
        url: format!("{base}{}", protocol.path()).parse().expect("a URL"),
        protocol,
        headers: Vec::new(),
        ca_pem: None,
        timeout: Duration::from_secs(30),
        queue_limit_bytes: 1 << 20,
        resource: vec![("service.name".to_owned(), "test".to_owned())],
    }
}

/// An exporter that has been given so many spans, and what it counts.
fn given(collector: &record::Collector, spans: u64) -> (Exporter<Numbered>, Tally) {
    let tally = Tally::default();
    let exporter = Exporter::start(collector, tally.clone()).expect("an exporter");
    for first in 0..spans {
        exporter.push(Numbered { first, spans: 1, weight_bytes: 1_000 });
    }
    (exporter, tally)
}

/// Exported, queue_full, export_failed, rejected, shutdown.
fn counts(tally: &Tally) -> [u64; 5] {
    let dropped = |reason| tally.count_dropped(reason);
    [
        tally.count_exported(),
        dropped(DropReason::QueueFull),
        dropped(DropReason::ExportFailed),
        dropped(DropReason::Rejected),
        dropped(DropReason::Shutdown),
    ]
}

/// Ends the exporter; afterwards every span is accounted for and all room is given back.
async fn ended(exporter: &Exporter<Numbered>, tally: &Tally, spans: u64) -> [u64; 5] {
    soon("the exporter's end", exporter.shutdown(SHUTDOWN_TIME)).await;
    let counts = counts(tally);
    assert_eq!(counts.iter().sum::<u64>(), spans, "{counts:?}");
    assert_eq!(exporter.taken_bytes(), 0);
    counts
}

/// Waits until every span is accounted for, without telling the exporter to end.
async fn settled(tally: &Tally, spans: u64) -> [u64; 5] {
    until("all spans accounted for", async || {
        let counts = counts(tally);
        (counts.iter().sum::<u64>() == spans).then_some(counts)
    })
    .await
}

#[tokio::test]
async fn spans_arrive_as_they_were_given() {
    for protocol in BOTH {
        let collector = Collector::start().await;
        let mut settings = to(collector.address, protocol);
        let value = HeaderValue::from_static("Bearer canary");
        settings.headers = vec![(HeaderName::from_static("authorization"), value)];
        let (exporter, tally) = given(&settings, 300);
        assert_eq!(ended(&exporter, &tally, 300).await, [300, 0, 0, 0, 0]);
        let received = collector.received();
        assert!(received.len() >= 3, "batches are bounded: {}", received.len());
        for request in &received {
            assert_eq!(request.path, protocol.path());
            assert_eq!(request.headers["authorization"], "Bearer canary");
            let (version, kind) = match protocol {
                Protocol::HttpProtobuf => (Version::HTTP_11, "application/x-protobuf"),
                Protocol::Grpc => (Version::HTTP_2, "application/grpc"),
            };
            assert_eq!(
                (request.version, &request.headers["content-type"]),
                (version, &kind.parse().expect("a type"))
            );
            for resource in &request.request.resource_spans {
                let attributes = &resource.resource.as_ref().expect("a resource").attributes;
                let has = |key: &str, value: &str| {
                    attributes.iter().any(|attribute| {
                        let said = attribute.value.clone().and_then(|value| value.value);
                        attribute.key == key && said == Some(Value::StringValue(value.to_owned()))
                    })
                };
                assert!(has("service.name", "test"), "{attributes:?}");
                assert!(has("telemetry.sdk.language", "rust"), "{attributes:?}");
            }
        }
        let spans = collector.spans();
        let ids: Vec<u64> = spans
            .iter()
            .map(|span| u64::from_be_bytes(span.span_id.clone().try_into().expect("eight bytes")))
            .collect();
        assert_eq!(ids, (1..=300).collect::<Vec<u64>>(), "{protocol:?}");
        assert_eq!(
            (spans[0].name.as_str(), spans[0].end_time_unix_nano),
            ("execute_tool", 5_000_000)
        );
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    for protocol in BOTH {
        let issuer = authority();
        let tls = acceptor(&issuer, "localhost", &["h2", "http/1.1"]);
        let collector = Collector::start_with(Some(tls)).await;
        let base = format!("https://localhost:{}", collector.address.port());
        let trusting = |pem: String| record::Collector {
            ca_pem: Some(Arc::from(pem.into_bytes())),
            ..at(&base, protocol)
        };
        let (exporter, tally) = given(&trusting(issuer.pem()), 10);
        assert_eq!(ended(&exporter, &tally, 10).await, [10, 0, 0, 0, 0]);
        assert_eq!(collector.spans().len(), 10);
        let (exporter, tally) = given(&trusting(authority().pem()), 10);
        assert_eq!(ended(&exporter, &tally, 10).await, [0, 0, 10, 0, 0]);
        assert_eq!(collector.spans().len(), 10);
    }
    let nothing = record::Collector {
        ca_pem: Some(Arc::from(b"no certificate".to_vec())),
        ..at("https://localhost", Protocol::Grpc)
    };
    assert!(Exporter::<Numbered>::start(&nothing, Tally::default()).is_err());
}

/// What is refused is not asked for again, and what comes after it is not refused for it.
#[tokio::test]
async fn spans_that_are_refused_are_counted() {
    let moods = [
        (Protocol::HttpProtobuf, Mood::Says(400)),
        (Protocol::HttpProtobuf, Mood::Says(500)),
        (Protocol::HttpProtobuf, Mood::Says(307)),
        (Protocol::Grpc, Mood::Says(3)),
        (Protocol::Grpc, Mood::Says(16)),
    ];
    for (protocol, mood) in moods {
        let collector = Collector::start().await;
        collector.is(mood);
        let (exporter, tally) = given(&to(collector.address, protocol), 40);
        assert_eq!(settled(&tally, 40).await, [0, 0, 40, 0, 0]);
        assert_eq!(collector.received().len(), 1);
        collector.is(Mood::Takes);
        exporter.push(Numbered { first: 40, spans: 5, weight_bytes: 10 });
        assert_eq!(ended(&exporter, &tally, 45).await, [5, 0, 40, 0, 0]);
    }
}

#[tokio::test]
async fn spans_that_are_not_wanted_are_counted() {
    for protocol in BOTH {
        let collector = Collector::start().await;
        collector.is(Mood::Rejects(7));
        let (exporter, tally) = given(&to(collector.address, protocol), 40);
        assert_eq!(ended(&exporter, &tally, 40).await, [33, 0, 0, 7, 0]);
        // More than there were cannot have been rejected.
        collector.is(Mood::Rejects(1_000));
        let (exporter, tally) = given(&to(collector.address, protocol), 40);
        assert_eq!(ended(&exporter, &tally, 40).await, [0, 0, 0, 40, 0]);
    }
}

/// A collector that asks for patience gets the same spans again.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let moods = [
        (Protocol::HttpProtobuf, Mood::Says(503)),
        (Protocol::HttpProtobuf, Mood::Says(429)),
        (Protocol::HttpProtobuf, Mood::Closes),
        (Protocol::HttpProtobuf, Mood::Half),
        (Protocol::Grpc, Mood::Says(14)),
    ];
    for (protocol, mood) in moods {
        let collector = Collector::start().await;
        collector.first(mood);
        let (exporter, tally) = given(&to(collector.address, protocol), 40);
        assert_eq!(settled(&tally, 40).await, [40, 0, 0, 0, 0]);
        let received = collector.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].request, received[1].request);
        ended(&exporter, &tally, 40).await;
    }
}

/// Nobody there, and nobody who says anything: a full queue lets go of what comes last, and never
/// of its bound.
#[tokio::test]
async fn memory_is_bounded_while_nobody_takes_spans() {
    let silent = Collector::start().await;
    silent.is(Mood::Silent);
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    };
    for address in [silent.address, gone] {
        for protocol in BOTH {
            let (exporter, tally) = given(&to(address, protocol), 0);
            for first in 0..50_000 {
                exporter.push(Numbered { first, spans: 2, weight_bytes: 1_000 });
                assert!(exporter.taken_bytes() <= 1 << 20);
                if first % 1_000 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            let [exported, full, ..] = ended(&exporter, &tally, 100_000).await;
            assert_eq!(exported, 0);
            assert!(full > 90_000, "{full}");
        }
    }
}

/// The answer that does not come in time is a failure, and the next batch is tried all the same.
#[tokio::test]
async fn silence_is_not_waited_for() {
    for protocol in BOTH {
        let collector = Collector::start().await;
        collector.first(Mood::Silent);
        let mut settings = to(collector.address, protocol);
        settings.timeout = Duration::from_millis(300);
        let (exporter, tally) = given(&settings, 40);
        assert_eq!(settled(&tally, 40).await, [0, 0, 40, 0, 0]);
        exporter.push(Numbered { first: 40, spans: 5, weight_bytes: 10 });
        let counts = settled(&tally, 45).await;
        assert_eq!(counts[0] + counts[2], 45, "{counts:?}");
        assert!(collector.received().len() >= 2);
        ended(&exporter, &tally, 45).await;
    }
}

#[tokio::test]
async fn a_slow_collector_gets_everything() {
    for protocol in BOTH {
        let collector = Collector::start().await;
        let permits = Arc::new(Semaphore::new(0));
        collector.is(Mood::Slow(Arc::clone(&permits)));
        let (exporter, tally) = given(&to(collector.address, protocol), 300);
        collector.reached_by(1).await;
        // One request at a time.
        assert_eq!(collector.received().len(), 1);
        assert!(exporter.taken_bytes() >= 300_000 - 1_000);
        permits.add_permits(100);
        assert_eq!(settled(&tally, 300).await, [300, 0, 0, 0, 0]);
        ended(&exporter, &tally, 300).await;
    }
}

/// In the time of a clock that only moves when all wait: the end takes less than two seconds,
/// whatever the collector does, and counts what it leaves behind.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "it is the paused clock of the runtime that is read")]
async fn the_end_is_within_two_seconds() {
    for protocol in BOTH {
        for mood in [Mood::Silent, Mood::Says(503), Mood::Says(14)] {
            let collector = Collector::start().await;
            collector.is(mood);
            let (exporter, tally) = given(&to(collector.address, protocol), 500);
            let begun = tokio::time::Instant::now();
            exporter.shutdown(SHUTDOWN_TIME).await;
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
            let counts = counts(&tally);
            assert_eq!((counts[0], counts.iter().sum::<u64>()), (0, 500), "{counts:?}");
            exporter.push(Numbered { first: 500, spans: 3, weight_bytes: 10 });
            assert_eq!(tally.count_dropped(DropReason::Shutdown), counts[4] + 3);
        }
    }
}
