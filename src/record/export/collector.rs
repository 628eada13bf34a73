//! Where spans go, and what they are sent with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

/// The path of the one method that is called of a gRPC collector
/// (opentelemetry/proto/collector/trace/v1/trace_service.proto).
pub const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// What is added to the base URL of a collector that is spoken to in plain HTTP (OTLP 1.10,
/// "OTLP/HTTP Request").
pub const HTTP_PATH: &str = "/v1/traces";

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf in the body of a POST.
    HttpProtobuf,
    /// A unary call over HTTP/2.
    Grpc,
}

/// A collector of spans. `Debug` shows no header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// All of it, with the path that the protocol asks for; without user information and query.
    pub url: Uri,
    pub protocol: Protocol,
    /// Sent with every request; the values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// PEM certificates to trust instead of the public ones.
    pub ca_pem: Option<Arc<[u8]>>,
    /// Longest wait for the whole answer to one request, the connection included.
    pub timeout: Duration,
    /// Memory for spans that wait or are being sent.
    pub queue_limit_bytes: usize,
    /// Attributes of what the spans tell of, `service.name` among them.
    pub resource: Vec<(String, String)>,
}

impl Protocol {
    /// As it is written in the config, and as OpenTelemetry names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }

    /// What stands behind the base URL of a collector.
    pub fn path(self) -> &'static str {
        match self {
            Self::HttpProtobuf => HTTP_PATH,
            Self::Grpc => GRPC_PATH,
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.protocol.name();
        match self.protocol {
            Protocol::HttpProtobuf => write!(out, "{} ({name})", self.url),
            Protocol::Grpc => {
                let url = self.url.to_string();
                write!(out, "{} ({name})", url.strip_suffix(GRPC_PATH).unwrap_or(&url))
            }
        }
    }
}
