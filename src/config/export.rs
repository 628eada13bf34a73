//! Where spans go, from the key `export`.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::settings::Export;
use super::upstream::read_certificates;
use super::validate::{Check, is_reserved, secret, size};
use super::{address, codes, raw};
use crate::record::{Collector, Protocol};
use crate::yaml::{Entries, ScalarFault, Span, Text};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_SAMPLE_PERCENT: u32 = 10;
const DEFAULT_QUEUE_BYTES: usize = 4 << 20;
const DEFAULT_HOLD: Duration = Duration::from_secs(600);
const DEFAULT_HELD_BYTES: usize = 8 << 20;

/// Allowed waits for an answer: a request that takes longer holds up those behind it.
const TIMEOUT_RANGE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));
const HOLD_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));
const MEMORY_RANGE_BYTES: (u64, u64) = (64 << 10, 1 << 30);

/// Most headers, and most attributes of the resource.
const ENTRIES_LIMIT: usize = 64;

/// Longest name or value of one.
const ATTRIBUTE_LIMIT_BYTES: usize = 1_024;

/// The name of the resource that spans belong to, where nothing says another.
const SERVICE: &str = "toolgate";

/// The attribute that has it (OpenTelemetry resource conventions).
const SERVICE_NAME: &str = "service.name";

/// Headers that say how a request is encoded: that is not the user's to say.
const ENCODING_HEADERS: [&str; 5] =
    ["accept-encoding", "content-encoding", "grpc-encoding", "grpc-timeout", "user-agent"];

/// Headers from the environment; the first of these that is set counts (OpenTelemetry, "OTLP Exporter
/// Configuration"). The exporter reads them by itself, and passes over what it cannot read.
const HEADER_VARIABLES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// The variables that are looked at although no config names them.
const UNASKED: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
];

/// Whether a variable of the environment is looked at although no config names it.
pub(super) fn is_unasked(variable: &str) -> bool {
    UNASKED.contains(&variable)
}

/// Parts of names of headers whose values are secrets.
const SECRET_NAMES: [&str; 5] = ["auth", "cookie", "key", "secret", "token"];

/// What is exported where; faults are reported.
pub(super) fn export(raw: &raw::Export, check: &mut Check<'_>) -> Option<Export> {
    let protocol = match raw.protocol.map(|field| field.value) {
        Some(raw::Protocol::HttpProtobuf) | None => Protocol::HttpProtobuf,
        Some(raw::Protocol::Grpc) => Protocol::Grpc,
    };
    let url = raw.otlp.as_ref().and_then(|text| url(text, protocol, check));
    let headers = headers(&raw.headers, check);
    if let Some(text) = &raw.otlp {
        check_environment(text.span, check);
    }
    let ca_pem = raw.ca_file.as_ref().and_then(|field| {
        let read = read_certificates(&check.path(&field.value), check.secrets.reads);
        check.ok(codes::FILE, field.span, read)
    });
    if let (Some(field), Some(url)) = (&raw.ca_file, &url)
        && url.scheme() == Some(&Scheme::HTTP)
    {
        let text = ScalarFault::new("`ca_file` needs an `https` URL");
        check.fault(codes::CONFLICT, field.span, text);
    }
    let timeout = check.time(raw.timeout.as_ref(), DEFAULT_TIMEOUT, TIMEOUT_RANGE);
    let queue_limit_bytes = size(check, raw.queue, DEFAULT_QUEUE_BYTES, MEMORY_RANGE_BYTES);
    let hold = check.time(raw.hold.as_ref(), DEFAULT_HOLD, HOLD_RANGE);
    let held_limit_bytes = size(check, raw.held, DEFAULT_HELD_BYTES, MEMORY_RANGE_BYTES);
    let resource = resource(raw, check);
    Some(Export {
        collector: Collector {
            url: url?,
            protocol,
            headers,
            ca_pem,
            timeout,
            queue_limit_bytes,
            resource,
        },
        sample_percent: raw.sample.map_or(DEFAULT_SAMPLE_PERCENT, |field| field.value.0),
        hold,
        held_limit_bytes,
    })
}

/// The base URL with what the protocol puts behind it.
fn url(text: &Text, protocol: Protocol, check: &mut Check<'_>) -> Option<Uri> {
    let read = address::target(&text.value).map_err(|fault| match fault.help.as_deref() {
        Some("use `auth`") => ScalarFault::new(fault.message).help("use `headers`"),
        Some(_) | None => fault,
    });
    let target = check.ok(codes::URL, text.span, read)?;
    let base = &target.base_path;
    let fault = match protocol {
        Protocol::HttpProtobuf if base.ends_with(protocol.path()) => {
            let fault = ScalarFault::new(format!("`{}` is added to it", protocol.path()));
            Some(fault.help("leave it off"))
        }
        Protocol::Grpc if !base.is_empty() => {
            Some(ScalarFault::new("a gRPC collector has no path").help("leave it off"))
        }
        Protocol::HttpProtobuf | Protocol::Grpc => None,
    };
    if let Some(fault) = fault {
        check.fault(codes::URL, text.span, fault);
        return None;
    }
    let parts = Uri::builder().scheme(target.scheme).authority(target.authority);
    parts.path_and_query(format!("{base}{}", protocol.path())).build().ok()
}

fn headers(raw: &Entries<Text>, check: &mut Check<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, text) in raw {
        let Some(header) = check.header(name, &ENCODING_HEADERS) else { continue };
        let is_secret = SECRET_NAMES.iter().any(|part| header.as_str().contains(part));
        let value = match is_secret || text.value.contains("${") {
            true => secret(text, check),
            // Most others are no secrets: the name of a data set, of a tenant.
            false => Some(SecretString::from(text.value.clone())),
        };
        let Some(value) = value else { continue };
        let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) else {
            let text_fault = ScalarFault::new("it has characters that cannot stand in a header");
            check.fault(codes::HEADER, text.span, text_fault);
            continue;
        };
        if headers.iter().any(|(known, _)| *known == header) {
            let text_fault = ScalarFault::new(format!("`{header}` is there twice"));
            check.fault(codes::HEADER, name.span, text_fault.help("remove one"));
        }
        if headers.len() == ENTRIES_LIMIT {
            let text_fault = ScalarFault::new(format!("more than {ENTRIES_LIMIT} headers"));
            check.fault(codes::RANGE, name.span, text_fault);
        }
        value.set_sensitive(true);
        headers.push((header, value));
    }
    headers
}

/// Holds the headers from the environment to what `headers` is held to. Nothing of a member is shown:
/// it may be a secret, all of it if it is malformed.
fn check_environment(span: Span, check: &mut Check<'_>) {
    let look_up = check.secrets.environment;
    let set = HEADER_VARIABLES.iter().find_map(|variable| Some((variable, look_up(variable)?)));
    let Some((variable, listed)) = set else { return };
    for (number, member) in (1_usize..).zip(listed.split(',').map(str::trim)) {
        if number > ENTRIES_LIMIT {
            let text = format!("`{variable}` has more than {ENTRIES_LIMIT} members");
            return check.fault(codes::RANGE, span, ScalarFault::new(text));
        }
        let fault = if member.is_empty() { None } else { member_fault(member) };
        if let Some(fault) = fault {
            let text = ScalarFault::new(format!("member {number} of `{variable}` {fault}"));
            check.fault(codes::HEADER, span, text.help("correct the environment variable"));
        }
    }
}

/// What is wrong with `name=value`, the value percent-encoded.
fn member_fault(member: &str) -> Option<&'static str> {
    let Some((name, value)) = member.split_once('=') else { return Some("is not `name=value`") };
    let Ok(name) = name.trim().parse::<HeaderName>() else {
        return Some("does not begin with the name of a header");
    };
    if is_reserved(&name, &ENCODING_HEADERS) {
        return Some("sets a header that cannot be used here");
    }
    let value = value.trim();
    let is_escape = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if value.is_empty() || !value.split('%').skip(1).all(is_escape) {
        return Some("has no percent-encoded value");
    }
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8();
    let value = decoded.ok().and_then(|value| HeaderValue::from_str(&value).ok());
    value.is_none().then_some("has characters that cannot stand in a header")
}

/// What the config says of the resource, and what the environment says of it otherwise
/// (OpenTelemetry, "Environment Variable Specification").
fn resource(raw: &raw::Export, check: &mut Check<'_>) -> Vec<(String, String)> {
    let mut attributes = from_environment(check.secrets.environment);
    for (number, (name, text)) in raw.resource.iter().enumerate() {
        check.ok(codes::NAME, name.span, attribute(&name.value));
        check.ok(codes::NAME, text.span, attribute(&text.value));
        if name.value == SERVICE_NAME {
            let fault = ScalarFault::new(format!("`{SERVICE_NAME}` has a key of its own"));
            check.fault(codes::CONFLICT, name.span, fault.help("use `export.service_name`"));
        }
        if number == ENTRIES_LIMIT {
            let fault = ScalarFault::new(format!("more than {ENTRIES_LIMIT} attributes"));
            check.fault(codes::RANGE, name.span, fault);
        }
        attributes.insert(name.value.clone(), text.value.clone());
    }
    if let Some(text) = &raw.service_name {
        check.ok(codes::NAME, text.span, attribute(&text.value));
        attributes.insert(SERVICE_NAME.to_owned(), text.value.clone());
    }
    attributes.entry(SERVICE_NAME.to_owned()).or_insert_with(|| SERVICE.to_owned());
    attributes.into_iter().collect()
}

/// The attributes of `OTEL_RESOURCE_ATTRIBUTES`, with the name in `OTEL_SERVICE_NAME`, which goes
/// first. A list that cannot be read is not there: it is meant for others as well.
fn from_environment(look_up: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let listed = look_up("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let mut attributes = listed_attributes(&listed).unwrap_or_default();
    if let Some(name) = look_up("OTEL_SERVICE_NAME").filter(|name| attribute(name).is_ok()) {
        attributes.insert(SERVICE_NAME.to_owned(), name);
    }
    attributes
}

/// `key=value,key=value`, values percent-encoded; `None` when a part of it is something else.
fn listed_attributes(listed: &str) -> Option<BTreeMap<String, String>> {
    let parts = listed.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = parts.take(ENTRIES_LIMIT).map(|part| {
        let (key, value) = part.split_once('=')?;
        let decode = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text.trim()).decode_utf8().ok()?;
            attribute(&decoded).is_ok().then(|| decoded.into_owned())
        };
        Some((decode(key)?, decode(value)?))
    });
    read.collect()
}

/// The name or the value of an attribute.
fn attribute(text: &str) -> Result<(), ScalarFault> {
    if text.is_empty() {
        return Err(ScalarFault::new("an attribute has a name and a value"));
    }
    if text.len() > ATTRIBUTE_LIMIT_BYTES {
        return Err(ScalarFault::new(format!("longer than {ATTRIBUTE_LIMIT_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(ScalarFault::new("an attribute has no control characters"));
    }
    Ok(())
}

impl Export {
    /// One line for operators: where spans go, and whose.
    pub fn describe(&self) -> String {
        let Self { collector, sample_percent, .. } = self;
        format!(
            "spans go to {collector}; kept are runs that failed, were refused something or stopped, \
             outliers, and {sample_percent}% of all others"
        )
    }
}
