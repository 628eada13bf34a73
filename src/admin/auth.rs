//! Who may ask what of the admin side. The agent shares the gate's network and may run in the
//! operator's browser's reach: it must neither guess a token nor ride on somebody else's.

use http::StatusCode;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::admin::reply::Fault;
use crate::weaken::Hole;

/// Hosts under which a listener of this machine is reached by its own user.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a token lets its holder do; each scope includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Read,
    Write,
}

/// The tokens of the admin side, as their HMAC under a key of this process: comparing those takes
/// the same time whatever is presented, and the tokens themselves are not kept.
pub(super) struct Tokens {
    key: hmac::Key,
    read: Option<hmac::Tag>,
    write: Option<hmac::Tag>,
}

impl Scope {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Refuses what takes more than this scope.
    pub(super) fn covers(self, needed: Self) -> Result<(), Fault> {
        if self >= needed || Hole::AnyScope.is_open() {
            return Ok(());
        }
        let detail = format!("This takes a token of scope {}.", needed.name());
        Err(Fault::new(StatusCode::FORBIDDEN, "scope-too-small", detail))
    }
}

impl Tokens {
    /// Keeps what is needed to recognise the tokens; `key` is random.
    pub(super) fn new(
        key: &str,
        read: Option<&SecretString>,
        write: Option<&SecretString>,
    ) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let tag = |token: &SecretString| hmac::sign(&key, token.expose_secret().as_bytes());
        let (read, write) = (read.map(tag), write.map(tag));
        Self { key, read, write }
    }

    /// What whoever sent the request may do.
    pub(super) fn scope(&self, headers: &HeaderMap) -> Result<Scope, Fault> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let token = match (values.next(), values.next()) {
            (Some(only), None) => only.as_bytes(),
            (Some(_) | None, _) => return Err(unauthorized()),
        };
        let Some((scheme, token)) = token.split_at_checked(b"Bearer ".len()) else {
            return Err(unauthorized());
        };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(unauthorized());
        }
        let is = |tag: &Option<hmac::Tag>| {
            tag.as_ref().is_some_and(|tag| hmac::verify(&self.key, token, tag.as_ref()).is_ok())
        };
        if is(&self.write) {
            Ok(Scope::Write)
        } else if is(&self.read) {
            Ok(Scope::Read)
        } else {
            Err(unauthorized())
        }
    }
}

fn unauthorized() -> Fault {
    Fault::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "Send the admin token as `Authorization: Bearer …`.",
    )
}

/// Refuses requests that came to us under a name that is not ours: a web page whose host was
/// rebound to this address, for one.
pub(super) fn host(request: &Parts, allowed: &[String]) -> Result<Authority, Fault> {
    let refused = |why| Err(Fault::new(StatusCode::MISDIRECTED_REQUEST, "host-not-allowed", why));
    let mut hosts = request.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return refused("More than one Host header."),
        (header, _) => header.map(|host| Authority::try_from(host.as_bytes())),
    };
    let asked = match (header, request.uri.authority()) {
        (Some(Err(_)), _) => return refused("The Host header cannot be read."),
        (Some(Ok(host)), None) => host,
        (None, Some(authority)) => authority.clone(),
        (Some(Ok(host)), Some(authority)) if host == *authority => host,
        (Some(Ok(_)), Some(_)) | (None, None) => return refused("The request names no host."),
    };
    let is = |name: &str| asked.host().eq_ignore_ascii_case(name);
    if asked.as_str().contains('@')
        || !(LOOPBACK.into_iter().any(is)
            || allowed.iter().any(|name| is(name))
            || Hole::AnyHost.is_open())
    {
        return refused("This host is not one of the admin side's; `admin_hosts` names others.");
    }
    Ok(asked)
}

/// Refuses what a page of another origin makes a browser send.
pub(super) fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Fault> {
    let foreign = || {
        let why = "Pages of other origins may not ask the admin side anything.";
        Err(Fault::new(StatusCode::FORBIDDEN, "origin-not-allowed", why))
    };
    if Hole::AnyOrigin.is_open() {
        return Ok(());
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if own.is_none_or(|own| !own.eq_ignore_ascii_case(host.as_str())) {
            return foreign();
        }
    }
    for site in headers.get_all(SEC_FETCH_SITE) {
        if !matches!(site.as_bytes(), b"same-origin" | b"none") {
            return foreign();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn named(host: &'static str) -> Parts {
        let request = Request::builder().uri("/").header("host", host);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn tokens_give_their_scope_and_nothing_else_does() {
        let secret = |text: &str| SecretString::from(text);
        let (read, write) = (secret("read-token"), secret("write-token"));
        let tokens = Tokens::new("key", Some(&read), Some(&write));
        let scope = |value| tokens.scope(&headers(&[("authorization", value)])).ok();
        assert_eq!(scope("Bearer read-token"), Some(Scope::Read));
        assert_eq!(scope("bearer write-token"), Some(Scope::Write));
        for wrong in ["", "Bearer", "Bearer ", "Bearer read-toke", "Basic read-token", "read-token"]
        {
            assert_eq!(scope(wrong), None, "{wrong}");
        }
        assert!(tokens.scope(&HeaderMap::new()).is_err());
        let twice =
            headers(&[("authorization", "Bearer read-token"), ("authorization", "Bearer x")]);
        assert!(tokens.scope(&twice).is_err());
        let none = Tokens::new("key", None, None);
        assert!(none.scope(&headers(&[("authorization", "Bearer ")])).is_err());
    }

    #[test]
    fn only_our_own_names_are_hosts() {
        let allowed = ["gate.internal".to_owned()];
        for own in ["localhost", "LOCALHOST:1", "127.0.0.1:4101", "[::1]:4101", "gate.internal"] {
            assert!(host(&named(own), &allowed).is_ok(), "{own}");
        }
        for other in
            ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1"]
        {
            assert!(host(&named(other), &allowed).is_err(), "{other}");
        }
        assert!(host(&Request::new(()).into_parts().0, &allowed).is_err());
    }

    #[test]
    fn only_our_own_pages_are_origins() {
        let own = Authority::from_static("localhost:4101");
        let pass = |pairs: &[(&'static str, &'static str)]| origin(&headers(pairs), &own).is_ok();
        assert!(pass(&[]));
        assert!(pass(&[("origin", "http://localhost:4101"), ("sec-fetch-site", "same-origin")]));
        for other in ["null", "http://localhost", "http://evil.example", "http://localhost:4100"] {
            assert!(!pass(&[("origin", other)]), "{other}");
        }
        assert!(!pass(&[("sec-fetch-site", "cross-site")]));
        assert!(!pass(&[("sec-fetch-site", "same-site")]));
    }
}
