//! What a config says of where spans go, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::resilience::Percent;
use crate::yaml::{ByteSize, Entries, Field, Period, Text};

/// Where spans of runs and their calls are sent, and which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The base URL of an OTLP collector, `http` or `https`: `http://otel:4318`. With `http/protobuf`,
    /// `/v1/traces` is added to it.
    #[schemars(required)]
    pub otlp: Option<Text>,
    /// How it is spoken to. Default `http/protobuf`.
    pub protocol: Option<Field<Protocol>>,
    /// Sent with every request; credentials as `${env:NAME}` or `${file:PATH}`. Those of
    /// `OTEL_EXPORTER_OTLP_HEADERS` are sent as well.
    #[serde(default)]
    pub headers: Entries<Text>,
    /// PEM file with the certificate authorities to trust instead of the public ones.
    pub ca_file: Option<Field<String>>,
    /// Longest wait for the answer to one request. Default 10s.
    pub timeout: Option<Field<Period>>,
    /// The share of runs that are kept although nothing about them is remarkable. Runs with a failed
    /// or refused call, those that were stopped, and outliers are always kept. Default `10%`.
    pub sample: Option<Field<Percent>>,
    /// Most memory for spans that wait to be sent. Default 4MiB.
    pub queue: Option<Field<ByteSize>>,
    /// Longest time that calls wait for the end of their run. Default 10m.
    pub hold: Option<Field<Period>>,
    /// Most memory for calls that wait for the end of their run. Default 8MiB.
    pub held: Option<Field<ByteSize>>,
    /// Attributes of the resource that all spans belong to: `deployment.environment.name: prod`. Those
    /// of `OTEL_RESOURCE_ATTRIBUTES` are added.
    #[serde(default)]
    pub resource: Entries<Text>,
    /// The resource's `service.name`. Default `OTEL_SERVICE_NAME`, else `toolgate`.
    pub service_name: Option<Text>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum Protocol {
    /// Protobuf over HTTP.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}
