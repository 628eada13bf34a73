//! How commands speak to a gate that runs: through its admin API, with a token.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::admin::StateFolder;
use crate::cli::report::Exit;
use crate::cli::terminal::Output;
use crate::config;

/// Where the token is looked for before the state folder.
const TOKEN_VARIABLE: &str = "TOOLGATE_ADMIN_TOKEN";

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Which gate, and how its answer is written.
#[derive(Debug, Args)]
pub struct Reach {
    /// The gate's admin side, such as http://127.0.0.1:4101 [default: the config's]
    #[arg(long, value_name = "URL", global = true)]
    pub admin: Option<String>,
    /// The gate's config, which says where its admin side and its state folder are
    #[arg(long, short, value_name = "PATH", default_value = "./toolgate.yaml", global = true)]
    pub config: PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Output::Text, global = true)]
    pub output: Output,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Usage(String),
    #[error("the gate says: {0}")]
    Refused(String),
    #[error("the gate at {at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    #[error("cannot write the result: {0}")]
    Write(#[from] io::Error),
}

impl Trouble {
    /// The exit code that goes with it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::Findings,
            Self::Unreachable { .. } => Exit::Io,
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Write(_) => Exit::Io,
        }
    }
}

/// A gate that is spoken to.
pub(super) struct Client {
    authority: String,
    token: HeaderValue,
}

impl Reach {
    /// Finds the gate and the token for it.
    pub(super) fn client(&self) -> Result<Client, Trouble> {
        let settings = config::load::load_without_secrets(&self.config);
        let settings = settings.map(|loaded| loaded.settings);
        let authority = match (&self.admin, &settings) {
            (Some(url), _) => authority(url)?,
            (None, Ok(settings)) => {
                let mut at = settings.admin;
                if at.ip().is_unspecified() {
                    at.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
                }
                at.to_string()
            }
            (None, Err(faults)) => {
                let faults: Vec<String> = faults.iter().map(|fault| fault.render(false)).collect();
                let faults = faults.join("\n");
                return Err(Trouble::Usage(format!("{faults}\nname the gate with --admin URL")));
            }
        };
        let kept = || match &settings {
            Ok(settings) => StateFolder::new(&settings.state).read_token(),
            Err(_) => Ok(None),
        };
        let token = match std::env::var(TOKEN_VARIABLE) {
            Ok(token) if !token.is_empty() => Some(token),
            Ok(_) | Err(_) => kept().map_err(|error| Trouble::Usage(error.to_string()))?,
        };
        let token = token.ok_or_else(|| {
            Trouble::Usage(format!("no token: set {TOKEN_VARIABLE}, or name the gate's config"))
        })?;
        let token = HeaderValue::try_from(format!("Bearer {token}"));
        let token = token.map_err(|_| Trouble::Usage("the token is not one".to_owned()))?;
        Ok(Client { authority, token })
    }
}

/// Host and port of `http://HOST:PORT`.
fn authority(url: &str) -> Result<String, Trouble> {
    let uri: Uri = url.parse().map_err(|_| Trouble::Usage(format!("`{url}` is not a URL")))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) if !authority.as_str().contains('@') => {
            Ok(match authority.port() {
                Some(_) => authority.to_string(),
                None => format!("{authority}:80"),
            })
        }
        (_, _) => Err(Trouble::Usage(format!("`{url}`: expected http://HOST:PORT"))),
    }
}

impl Client {
    /// Asks, and gives the answer's document.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Trouble> {
        let unreachable = |why: String| Trouble::Unreachable { at: self.authority.clone(), why };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = async { tokio::time::timeout(PATIENCE, self.send(method, path, body)).await };
        let answered = runtime.block_on(asked);
        let (status, bytes) = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(unreachable(why)),
            Err(_) => return Err(unreachable("it does not answer".to_owned())),
        };
        let answer: Value = serde_json::from_slice(&bytes)
            .map_err(|_| unreachable(format!("it answers {status}, but not as a gate does")))?;
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Trouble::Usage(format!("the token does not do: {detail}"))
            }
            _ => Trouble::Refused(detail),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), String> {
        let failed = |error: &dyn std::error::Error| error.to_string();
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(HOST, &self.authority).header(AUTHORIZATION, &self.token);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT_BYTES).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

/// An id as a segment of a path.
pub(super) fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The text of a member; empty when there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Who sits at this terminal, for the record.
pub(super) fn actor(given: Option<&str>) -> String {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    given.map(str::to_owned).or_else(user).unwrap_or_else(|| "cli".to_owned())
}

/// Says what went wrong, if anything, and turns it into an exit code.
pub(super) fn conclude(result: Result<(), Trouble>, err: &mut dyn io::Write) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(trouble) => {
            if trouble.exit() != Exit::Ok {
                // Where not even this can be written, the exit code has to do.
                let _ = writeln!(err, "toolgate: {trouble}");
            }
            trouble.exit()
        }
    }
}
