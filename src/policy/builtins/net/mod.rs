//! URLs, hosts and addresses, read so that two parsers would agree.
//!
//! The tool behind the gate parses the same text again, with another parser. What parsers are known
//! to disagree on (RFC 3986 against the WHATWG URL standard) is an error here, not a guess.

mod address;

#[cfg(test)]
mod tests;

pub use address::{Cidr, cidr, ip, is_link_local, is_loopback, is_private};

use super::BuiltinError;

/// Longest URL that is read.
const URL_LIMIT_BYTES: usize = 8 * 1024;

/// The parts of an absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Lower case, without the colon.
    pub scheme: String,
    /// Lower case, without a trailing dot or the brackets of IPv6; an IPv4 address in any spelling
    /// is dotted decimal; empty when the URL has none.
    pub host: String,
    /// As written, else the well-known one of http, https, ws, wss and ftp.
    pub port: Option<u16>,
    /// Percent-encoded as written; at least `/` where there is a host and a well-known scheme.
    pub path: String,
    /// Percent-encoded, without the question mark.
    pub query: Option<String>,
    /// What stands before `@`, without a password; percent-encoded. Empty where a password alone, or
    /// nothing, stands there.
    pub user: Option<String>,
}

/// Reads an absolute URL.
///
/// # Errors
/// Text that is not an absolute URL, or that two parsers could read in two ways: blanks, control
/// and non-ASCII characters, backslashes, slashes missing or to spare after the scheme, several `@`,
/// an `@` behind a host without a path, percent-encoded hosts, hosts with any of
/// `!$&'()*+,;=`, `.` and `..` segments.
pub fn url(text: &str) -> Result<Url, BuiltinError> {
    if text.len() > URL_LIMIT_BYTES {
        return Err(BuiltinError::new(format!("the URL is longer than {URL_LIMIT_BYTES} bytes")));
    }
    check_characters(text)?;
    let parsed =
        url::Url::parse(text).map_err(|fault| BuiltinError::new(format!("not a URL: {fault}")))?;
    let rest = text.get(parsed.scheme().len() + 1..).unwrap_or_default();
    let host = check_authority(&parsed, rest)?;
    let path = parsed.path();
    if path.split('/').any(is_dot_segment) || text_path(rest).split('/').any(is_dot_segment) {
        return differs("`.` and `..` in a path");
    }
    Ok(Url {
        scheme: parsed.scheme().to_owned(),
        host,
        port: parsed.port_or_known_default(),
        path: path.to_owned(),
        query: parsed.query().map(str::to_owned),
        user: has_user(rest).then(|| parsed.username().to_owned()),
    })
}

/// The host of an absolute URL, as [`Url::host`].
///
/// # Errors
/// As [`url`]; also a URL without a host.
pub fn host(text: &str) -> Result<String, BuiltinError> {
    let host = url(text)?.host;
    if host.is_empty() {
        return Err(BuiltinError::new("the URL has no host"));
    }
    Ok(host)
}

/// Only what RFC 3986 appendix A allows somewhere, and percent signs only in front of two digits.
fn check_characters(text: &str) -> Result<(), BuiltinError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return differs(&format!("{c:?}"));
    }
    for encoded in text.split('%').skip(1) {
        let digits = encoded.get(..2).unwrap_or_default();
        if digits.len() < 2 || !digits.chars().all(|c| c.is_ascii_hexdigit()) || digits == "00" {
            return differs("such a percent sign");
        }
    }
    Ok(())
}

/// Checks what stands between the slashes after the scheme and the path, and gives the host.
fn check_authority(parsed: &url::Url, rest: &str) -> Result<String, BuiltinError> {
    let special = parsed.scheme() != "file" && parsed.port_or_known_default().is_some()
        || matches!(parsed.scheme(), "http" | "https" | "ws" | "wss" | "ftp" | "file");
    let Some(after) = rest.strip_prefix("//") else {
        if special || rest.starts_with('/') {
            return differs("a URL without `//`");
        }
        return Ok(String::new());
    };
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, tail) = after.split_at_checked(end).unwrap_or((after, ""));
    if authority.is_empty() && parsed.scheme() != "file" || tail.starts_with("//") {
        return differs("slashes to spare");
    }
    if authority.matches('@').count() > 1 || (!tail.starts_with('/') && tail.contains('@')) {
        return differs("such an `@`");
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.contains('%') {
        return differs("a percent sign in a host");
    }
    // RFC 3986 lets them stand in names, DNS does not, and readers cut the host at some of them.
    if host.contains(['!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=']) {
        return differs("such a character in a host");
    }
    let lower = authority.to_ascii_lowercase();
    if ["%2f", "%5c", "%23", "%3f"].iter().any(|delimiter| lower.contains(delimiter)) {
        return differs("an encoded delimiter before the host");
    }
    let Some(host) = parsed.host_str().filter(|host| !host.is_empty()) else {
        return Ok(String::new());
    };
    // Hosts of schemes that the parser does not know are left as they are: read them alike.
    let host = match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) => name,
        Ok(url::Host::Ipv4(address)) => address.to_string(),
        Ok(url::Host::Ipv6(address)) => std::net::IpAddr::V6(address).to_canonical().to_string(),
        Err(fault) => return Err(BuiltinError::new(format!("not a host: {fault}"))),
    };
    let host = host.strip_suffix('.').unwrap_or(&host);
    if !host.contains(':') && host.split('.').any(str::is_empty) {
        return differs("dots to spare in a host");
    }
    Ok(host.to_ascii_lowercase())
}

/// Whether there is an `@` before the host.
fn has_user(rest: &str) -> bool {
    let authority = rest.strip_prefix("//").map(|after| after.split(['/', '?', '#']));
    authority.and_then(|mut parts| parts.next()).is_some_and(|authority| authority.contains('@'))
}

/// The path as written, from what follows the scheme.
fn text_path(rest: &str) -> &str {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.strip_prefix("//") {
        Some(after) => after.find('/').and_then(|at| after.get(at..)).unwrap_or_default(),
        None => rest,
    }
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    // Some servers cut what follows a semicolon before they resolve dots.
    let plain = plain.split(';').next().unwrap_or_default();
    matches!(plain, "." | "..")
}

fn differs<T>(what: &str) -> Result<T, BuiltinError> {
    Err(BuiltinError::new(format!("URL parsers read {what} differently")))
}
