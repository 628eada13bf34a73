//! The tools of the demo: a booking, a payment, a search and an exchange-rate service, an MCP server
//! that knows the weather, and a model; each with a ledger of what reached it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scripted::{self, SESSION};

/// Which service a program pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Booking,
    Payments,
    Search,
    Rates,
    /// An MCP server.
    Weather,
    /// A model API in the words of OpenAI.
    Model,
}

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What a service has seen and holds.
#[derive(Default)]
struct State {
    /// `METHOD /path` of every request that arrived, in order.
    ledger: Vec<String>,
    /// Status by booking or payment.
    records: BTreeMap<String, &'static str>,
    /// It answers everything with 503.
    is_down: bool,
}

impl Service {
    /// Starts a service on a free port of this machine.
    pub async fn start(kind: Kind) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot start the {kind:?} service: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = Arc::new(Mutex::new(State::new(kind)));
        tokio::spawn(serve(listener, kind, Arc::clone(&state)));
        Ok(Self { address, state })
    }

    /// How many requests with this method and path arrived.
    pub fn arrived(&self, request: &str) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ledger.iter().filter(|line| *line == request).count()
    }

    /// How many requests arrived, whatever they were.
    pub fn arrived_in_all(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ledger.len()
    }

    /// Takes the service down, or up again.
    pub fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_down = is_down;
    }

    /// What is held about a booking or a payment.
    pub fn status(&self, id: &str) -> Option<&'static str> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.records.get(id).copied()
    }
}

impl State {
    fn new(kind: Kind) -> Self {
        let mut state = Self::default();
        if kind == Kind::Booking {
            // From other days: these guests sleep in the house, those come next month.
            state.records.insert("b-17".to_owned(), "checked_in");
            state.records.insert("b-23".to_owned(), "confirmed");
        }
        state
    }

    fn answer(&mut self, kind: Kind, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        self.ledger.push(format!("{method} {path}"));
        if self.is_down {
            return (503, json!({"error": "the service is down"}));
        }
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (kind, method.as_str(), segments.as_slice()) {
            (Kind::Booking, "POST", ["bookings"]) => {
                let id = format!("b-{}", 40_usize.saturating_add(self.records.len()));
                self.records.insert(id.clone(), "pending");
                (201, json!({"booking_id": id, "status": "pending", "guests": body.get("guests")}))
            }
            (Kind::Booking, "GET", ["bookings", id]) => self.show("booking_id", id),
            (Kind::Booking, "POST", ["bookings", id, "confirm"]) => {
                self.change("booking_id", id, "confirmed")
            }
            (Kind::Booking, "POST", ["bookings", id, "cancel"]) => {
                self.change("booking_id", id, "cancelled")
            }
            (Kind::Payments, "POST", ["payments"]) => {
                let id = format!("p-{}", 70_usize.saturating_add(self.records.len()));
                self.records.insert(id.clone(), "pending");
                (201, json!({"payment_id": id, "status": "pending"}))
            }
            (Kind::Payments, "POST", ["payments", id, "verify"]) => {
                self.change("payment_id", id, "verified")
            }
            (Kind::Payments, "POST", ["payments", id, "refund"]) => {
                self.records.insert((*id).to_owned(), "refunded");
                self.show("payment_id", id)
            }
            (Kind::Rates, "GET", ["rates", pair]) => (200, json!({"pair": pair, "rate": 1.09})),
            (Kind::Search, "GET", ["hotels"]) => {
                (200, json!({"hotels": [{"name": "Casa Azul", "free_rooms": 5}]}))
            }
            (Kind::Weather, "POST", ["mcp"]) => scripted::weather(body),
            (Kind::Model, "POST", ["v1", "chat", "completions"]) => (200, scripted::model(body)),
            (_, _, _) => (404, json!({"error": "no such thing"})),
        }
    }

    fn show(&self, name: &str, id: &str) -> (u16, Value) {
        match self.records.get(id) {
            Some(status) => (200, json!({name: id, "status": status})),
            None => (404, json!({"error": "no such thing"})),
        }
    }

    fn change(&mut self, name: &str, id: &str, status: &'static str) -> (u16, Value) {
        if let Some(held) = self.records.get_mut(id) {
            *held = status;
        }
        self.show(name, id)
    }
}

impl Kind {
    /// How long the service takes, so that there is something to see in a waterfall.
    fn latency(self) -> Duration {
        match self {
            Self::Booking => Duration::from_millis(35),
            Self::Payments => Duration::from_millis(80),
            Self::Search => Duration::from_millis(120),
            Self::Rates => Duration::from_millis(20),
            Self::Weather => Duration::from_millis(60),
            Self::Model => Duration::from_millis(300),
        }
    }
}

async fn serve(listener: TcpListener, kind: Kind, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(kind, Arc::clone(&state), request));
            // A connection that breaks shows as a failed call.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    kind: Kind,
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    tokio::time::sleep(kind.latency()).await;
    let (status, answer) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answer(kind, &parts.method, parts.uri.path(), &body)
    };
    let text = if answer.is_null() { String::new() } else { answer.to_string() };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    if kind == Kind::Weather {
        response.headers_mut().insert("mcp-session-id", HeaderValue::from_static(SESSION));
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
