//! Sends spans to a collector: handed over without waiting, encoded and sent by one task, and every
//! one of them counted.
//!
//! OpenTelemetry's own processors are not used: they drop what was not sampled when it began, bound
//! spans and not bytes, and wait for a collector that hangs. What is kept is decided before spans
//! come here.

mod collector;
mod grpc;
mod parcel;
mod queue;
mod tally;
mod transport;
mod voice;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

pub use self::collector::{Collector, Protocol};
pub use self::tally::{DropReason, Tally};

use self::queue::Queue;
use self::transport::{Answer, Credentials, Failure, LastAnswer, Transport};
use self::voice::{Line, Trouble, Voice};
use crate::clock::Clock;
use crate::forward::TlsError;

/// How long the end of the gate waits for what is still to be sent, the end of runs included: with what
/// comes after it, less than two seconds.
pub const SHUTDOWN_TIME: Duration = Duration::from_millis(1_600);

/// Something that spans are made of, later and elsewhere.
pub trait Parcel: Send + 'static {
    /// What it takes of memory, in bytes.
    fn weight_bytes(&self) -> usize;
    /// How many spans it becomes.
    fn spans(&self) -> u64;
    /// Becomes those spans.
    fn unpack(self, spans: &mut Vec<SpanData>);
}

/// The way to one collector.
pub struct Exporter<T: Parcel> {
    queue: Arc<Queue<T>>,
    credentials: Credentials,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// An exporter that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("export: {0}")]
    Tls(#[from] TlsError),
    #[error("export: {0}")]
    Build(#[from] ExporterBuildError),
}

impl<T: Parcel> Exporter<T> {
    /// Starts the task that sends; connects nowhere yet. To be called within a runtime.
    ///
    /// # Errors
    /// When the collector's certificates do not load.
    pub fn start(collector: &Collector, tally: Tally) -> Result<Self, ExportError> {
        let queue = Queue::new(collector.queue_limit_bytes, tally);
        let last = LastAnswer::default();
        let credentials = Credentials::new(collector.headers.clone());
        let level = Arc::clone(queue.level());
        let transport = Transport::new(collector, credentials.clone(), level, last.clone())?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(transport)
            // Of gRPC the transport makes what it is.
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(collector.url.to_string())
            .with_timeout(collector.timeout)
            // Tries are the transport's: it knows whether there is time for them.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        exporter.set_resource(&resource(collector));
        let sender = Sender {
            exporter,
            last,
            collector: collector.to_string(),
            clock: Clock::system(),
            voice: Voice::default(),
        };
        let task = tokio::spawn(sender.send_all(Arc::clone(&queue)));
        Ok(Self { queue, credentials, task: Mutex::new(Some(task)) })
    }

    /// Hands a parcel over. Never waits: what finds no room is dropped and counted.
    pub fn push(&self, parcel: T) {
        self.queue.push(parcel);
    }

    /// Sends other headers from the next request on: credentials are changed while the gate runs.
    pub fn renew_headers(&self, headers: Vec<(HeaderName, HeaderValue)>) {
        self.credentials.renew(headers);
    }

    /// What became of spans so far.
    pub fn tally(&self) -> &Tally {
        self.queue.tally()
    }

    /// Bytes that wait or are being sent.
    pub fn taken_bytes(&self) -> usize {
        self.queue.level().taken_bytes()
    }

    /// Sends what still waits, for no longer than `patience` whatever the collector does, and counts the
    /// rest as dropped.
    pub async fn shutdown(&self, patience: Duration) {
        self.queue.close();
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && tokio::time::timeout(patience, &mut task).await.is_err()
        {
            task.abort();
            // It has an end either way, and what it held is counted then.
            let _ = task.await;
        }
        self.queue.abandon();
    }
}

impl<T: Parcel> Drop for Exporter<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What the task has.
struct Sender {
    exporter: SpanExporter,
    last: LastAnswer,
    /// As it is told of.
    collector: String,
    /// Of nothing that is recorded: it paces what is told of the collector.
    clock: Clock,
    voice: Voice,
}

impl Sender {
    async fn send_all<T: Parcel>(mut self, queue: Arc<Queue<T>>) {
        while let Some(mut batch) = queue.batch().await {
            let mut spans = Vec::new();
            for parcel in batch.parcels() {
                parcel.unpack(&mut spans);
            }
            // Its words say less than the answer does.
            let _ = self.exporter.export(spans).await;
            match self.last.take().unwrap_or(Answer::Failed(Failure::Unencodable)) {
                Answer::Accepted { rejected } => {
                    batch.accepted(rejected);
                    self.note((rejected > 0).then_some(Trouble::Rejects));
                }
                Answer::Failed(failure) => {
                    batch.failed();
                    self.note(Some(Trouble::Failed(failure)));
                }
            }
        }
    }

    /// Tells of what changed, now and then.
    fn note(&mut self, trouble: Option<Trouble>) {
        let line = self.voice.heard(trouble, self.clock.now());
        let Some(Line { trouble, failed_batches }) = line else { return };
        let collector = &self.collector;
        match trouble {
            None => tracing::warn!(%collector, failed_batches, "spans are exported again"),
            Some(Trouble::Rejects) => {
                tracing::warn!(%collector, failed_batches, "it does not take all spans");
            }
            Some(Trouble::Failed(failure)) => {
                let words = "spans are not exported, but dropped";
                tracing::warn!(%collector, %failure, failed_batches, "{words}");
            }
        }
    }
}

/// What the spans tell of.
fn resource(collector: &Collector) -> Resource {
    let given = collector.resource.iter();
    let given = given.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(given)
        .build()
}
