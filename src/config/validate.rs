//! From the file as written to settings, with every fault at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use secrecy::ExposeSecret;

use super::raw;
use super::secrets::Secrets;
use super::settings::{Bounds, Events, Reload, Runs, Settings};
use super::{address, admin, codes, evaluate, export, labels, prices, upstream};
use crate::policy::view::Caller;
use crate::record::content::{Bodies, CAPTURE_VARIABLE, Capture};
use crate::yaml::{self, Diagnostic, Field, ScalarFault, Source, Span, Text};

const DEFAULT_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 4100);
const DEFAULT_ADMIN: ([u8; 4], u16) = ([127, 0, 0, 1], 4101);

/// Where what outlives the gate is kept.
const DEFAULT_STATE: &str = "./.toolgate";

/// Shortest key of an HMAC that is accepted.
const DIGEST_KEY_MIN_BYTES: usize = 16;

/// Headers that are HTTP's own, so that neither run ids nor credentials can stand in them.
const OWN_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What validation needs and where its faults go.
pub(super) struct Check<'a> {
    pub source: &'a Arc<Source>,
    pub secrets: Secrets<'a>,
    pub faults: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    /// Reports a fault.
    pub fn fault(&mut self, code: &'static str, span: Span, text: ScalarFault) {
        let mut fault = Diagnostic::error(code, text.message).at(self.source, span);
        fault.help = text.help;
        self.faults.push(fault);
    }

    /// The value, or its fault reported.
    pub fn ok<T>(
        &mut self,
        code: &'static str,
        span: Span,
        result: Result<T, ScalarFault>,
    ) -> Option<T> {
        result.map_err(|text| self.fault(code, span, text)).ok()
    }

    /// Whether something was said of what stands there, so that what seems absent may only be
    /// unreadable.
    pub fn is_damaged(&self, span: Span) -> bool {
        let inside =
            |fault: &Diagnostic| span.start <= fault.span.start && fault.span.end <= span.end;
        self.faults.iter().any(inside)
    }

    /// A path of the config, relative to its folder.
    pub fn path(&self, path: &str) -> PathBuf {
        relative_to(self.secrets.folder, path)
    }

    /// The length of time, or the default when it is absent or its fault was reported.
    pub fn time(
        &mut self,
        field: Option<&Field<yaml::Period>>,
        default: Duration,
        allowed: (Duration, Duration),
    ) -> Duration {
        let Some(field) = field else { return default };
        let value = field.value.0;
        if value < allowed.0 || value > allowed.1 {
            let text = format!("expected from {} to {}", show(allowed.0), show(allowed.1));
            self.fault(codes::RANGE, field.span, ScalarFault::new(text));
        }
        value
    }

    /// The name of a header that users may set.
    pub fn header(&mut self, field: &Field<String>, also_not: &[&str]) -> Option<HeaderName> {
        let Ok(name) = field.value.parse::<HeaderName>() else {
            let text = ScalarFault::new(format!("`{}` is not the name of a header", field.value));
            self.fault(codes::HEADER, field.span, text);
            return None;
        };
        if is_reserved(&name, also_not) {
            let text = ScalarFault::new(format!("`{name}` cannot be used here"));
            self.fault(codes::HEADER, field.span, text.help("use a header of your own"));
            return None;
        }
        Some(name)
    }
}

/// Whether a header is not the user's to set: HTTP's own, the gate's, or one of these.
pub(super) fn is_reserved(name: &HeaderName, also_not: &[&str]) -> bool {
    let name = name.as_str();
    OWN_HEADERS.iter().chain(also_not).any(|own| name == *own) || name.starts_with("toolgate-")
}

/// A path of the config: absolute, or relative to its folder, without `./`.
pub(super) fn relative_to(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    let parts = joined.components().filter(|part| !matches!(part, std::path::Component::CurDir));
    let clean: PathBuf = parts.collect();
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

/// The settings; `None` when a part that has no default is at fault. Whoever calls must look at
/// the faults before using the settings.
pub(super) fn validate(raw: &raw::Config, check: &mut Check<'_>) -> Option<Settings> {
    let listen = listener(check, raw.listen.as_ref(), DEFAULT_LISTEN);
    let admin = listener(check, raw.admin.as_ref(), DEFAULT_ADMIN);
    if let (Some(listen), Some(admin)) = (listen, admin)
        && address::collide(listen, admin)
    {
        let place = raw.admin.as_ref().or(raw.listen.as_ref()).map(|field| field.span);
        let text = ScalarFault::new("`admin` and `listen` are the same address")
            .help("agents reach `listen`; give `admin` a port of its own");
        check.fault(codes::ADDRESS, place.unwrap_or_default(), text);
    }
    let admin_tokens = admin::tokens(raw.admin_tokens.as_ref(), check);
    let admin_hosts = admin::hosts(&raw.admin_hosts, check);
    let state = check.path(raw.state.as_ref().map_or(DEFAULT_STATE, |field| &field.value));
    let upstreams = raw.upstreams.as_ref().map(|raw| upstream::upstreams(raw, check));
    let prices = prices::prices(raw.prices.as_ref(), check);
    let runs = raw.runs.as_ref().map_or_else(Runs::default, |raw| runs(raw, check));
    let reload = raw.reload.as_ref().map_or_else(Reload::default, |raw| reload(raw, check));
    let events = events(raw.record.as_ref(), check);
    let capture = capture(raw.record.as_ref(), check);
    let evaluate = evaluate::plan(raw.evaluate.as_ref().map(|field| &field.value), check);
    let drift = raw.drift.as_ref().and_then(|raw| raw.enabled);
    let export = raw.export.as_ref().and_then(|raw| export::export(raw, check));
    let caller = raw.caller.as_ref().map_or_else(Caller::default, |raw| caller(raw, check));
    let bounds = raw.bounds.as_ref().map_or_else(Bounds::default, |raw| bounds(raw, check));
    let key = raw.digest.as_ref().and_then(|digest| digest.key.as_ref());
    let digest_key = key.and_then(|key| digest_key(key, check));
    Some(Settings {
        listen: listen?,
        admin: admin?,
        admin_tokens,
        admin_hosts,
        state,
        upstreams: upstreams?,
        prices,
        runs,
        reload,
        events,
        capture,
        evaluate,
        drift: drift.is_none_or(|field| field.value),
        export,
        caller,
        digest_key,
        bounds,
    })
}

fn listener(
    check: &mut Check<'_>,
    field: Option<&Field<String>>,
    default: ([u8; 4], u16),
) -> Option<std::net::SocketAddr> {
    let Some(field) = field else { return Some(default.into()) };
    check.ok(codes::ADDRESS, field.span, address::listen(&field.value))
}

fn runs(raw: &raw::Runs, check: &mut Check<'_>) -> Runs {
    let default = Runs::default();
    let allowed = (Duration::from_secs(1), Duration::from_secs(7 * 86_400));
    let idle_end = check.time(raw.idle_end.as_ref(), default.idle_end, allowed);
    // Run ids are recorded and shown.
    let secret = ["authorization", "cookie", "proxy-authorization"];
    let header = raw.header.as_ref().and_then(|field| check.header(field, &secret));
    let require_token = raw.require_token.is_some_and(|field| field.value);
    Runs { idle_end, require_token, header }
}

fn reload(raw: &raw::Reload, check: &mut Check<'_>) -> Reload {
    let default = Reload::default();
    let never = raw.poll.as_ref().is_some_and(|poll| poll.value.0.is_zero());
    let allowed = (Duration::from_millis(100), Duration::from_secs(86_400));
    Reload {
        watch: raw.watch.as_ref().map_or(default.watch, |field| field.value),
        poll: if never {
            Duration::ZERO
        } else {
            check.time(raw.poll.as_ref(), default.poll, allowed)
        },
    }
}

fn events(raw: Option<&raw::Record>, check: &mut Check<'_>) -> Events {
    let Some(field) = raw.and_then(|record| record.events.as_ref()) else { return Events::Stdout };
    if field.value == "stdout" {
        return Events::Stdout;
    }
    let path = check.path(&field.value);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        let text = ScalarFault::new("a folder; events go to a file").help("add a file's name");
        check.fault(codes::FILE, field.span, text);
    } else if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let text = format!("the folder `{}` does not exist", folder.display());
        check.fault(codes::FILE, field.span, ScalarFault::new(text).help("make it first"));
    }
    Events::File(path)
}

fn capture(raw: Option<&raw::Record>, check: &Check<'_>) -> Capture {
    let bodies = match raw.and_then(|record| record.bodies.as_ref()).map(|bodies| bodies.value) {
        None | Some(raw::Bodies::None) => Bodies::None,
        Some(raw::Bodies::Redacted) => Bodies::Redacted,
        Some(raw::Bodies::Full) => Bodies::Full,
    };
    Capture::new(bodies, (check.secrets.environment)(CAPTURE_VARIABLE).as_deref())
}

fn caller(raw: &raw::Caller, check: &mut Check<'_>) -> Caller {
    let mut label = |text: Option<&Text>| -> Arc<str> {
        let Some(text) = text else { return Arc::default() };
        check.ok(codes::NAME, text.span, labels::label(&text.value));
        Arc::from(text.value.as_str())
    };
    Caller {
        tenant: label(raw.tenant.as_ref()),
        project: label(raw.project.as_ref()),
        user: label(raw.user.as_ref()),
        agent: label(raw.agent.as_ref()),
    }
}

/// A secret that must not be guessed, or its fault reported.
pub(super) fn digest_key(text: &Text, check: &mut Check<'_>) -> Option<secrecy::SecretString> {
    let key = secret(text, check)?;
    if key.expose_secret().len() < DIGEST_KEY_MIN_BYTES {
        let text_fault = format!("a key of less than {DIGEST_KEY_MIN_BYTES} bytes can be guessed");
        check.fault(codes::SECRET, text.span, ScalarFault::new(text_fault));
    }
    Some(key)
}

/// A secret with its references replaced, or its fault reported.
pub(super) fn secret(text: &Text, check: &mut Check<'_>) -> Option<secrecy::SecretString> {
    match check.secrets.expand(&text.value) {
        Ok(secret) => Some(secret),
        Err(fault) => {
            check.fault(fault.code, text.locate(fault.range), fault.text);
            None
        }
    }
}

fn bounds(raw: &raw::Bounds, check: &mut Check<'_>) -> Bounds {
    let default = Bounds::default();
    let time = (Duration::from_millis(100), Duration::from_secs(600));
    let drain = (Duration::ZERO, Duration::from_secs(3_600));
    Bounds {
        body_limit_bytes: size(check, raw.body, default.body_limit_bytes, (1, 1 << 30)),
        head_limit_bytes: size(check, raw.head, default.head_limit_bytes, (1 << 10, 1 << 20)),
        headers_limit: count(check, raw.headers, default.headers_limit, (1, 1_024)),
        connections_limit: count(check, raw.connections, default.connections_limit, (1, 1_000_000)),
        live_runs_limit: count(check, raw.live_runs, default.live_runs_limit, (1, 10_000_000)),
        header_time: check.time(raw.header_time.as_ref(), default.header_time, time),
        body_time: check.time(raw.body_time.as_ref(), default.body_time, time),
        drain_time: check.time(raw.drain.as_ref(), default.drain_time, drain),
    }
}

pub(super) fn size(
    check: &mut Check<'_>,
    field: Option<Field<yaml::ByteSize>>,
    default: usize,
    allowed: (u64, u64),
) -> usize {
    let show = |bytes: u64| match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    };
    let field = field.map(|field| field.map(|size| size.0));
    within(check, field, default, allowed, show)
}

fn count(
    check: &mut Check<'_>,
    field: Option<Field<u64>>,
    default: usize,
    allowed: (u64, u64),
) -> usize {
    within(check, field, default, allowed, |count| count.to_string())
}

fn within(
    check: &mut Check<'_>,
    field: Option<Field<u64>>,
    default: usize,
    (least, most): (u64, u64),
    show: impl Fn(u64) -> String,
) -> usize {
    let Some(field) = field else { return default };
    if field.value < least || field.value > most {
        let text = ScalarFault::new(format!("expected from {} to {}", show(least), show(most)));
        check.fault(codes::RANGE, field.span, text);
    }
    usize::try_from(field.value).unwrap_or(default)
}

/// A length of time as users write it.
fn show(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        _ if !ms.is_multiple_of(1_000) => format!("{ms}ms"),
        _ if !ms.is_multiple_of(60_000) || ms == 0 => format!("{}s", ms / 1_000),
        _ if !ms.is_multiple_of(3_600_000) => format!("{}m", ms / 60_000),
        _ if !ms.is_multiple_of(86_400_000) || ms == 86_400_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}
