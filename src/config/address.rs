//! Addresses to listen on and URLs to call.

use std::net::{IpAddr, SocketAddr};

use http::uri::{Authority, Scheme};
use url::Url;

use crate::yaml::ScalarFault;

/// An IP address and a port.
///
/// # Errors
/// What is wrong and how it is written.
pub(super) fn listen(text: &str) -> Result<SocketAddr, ScalarFault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let fault = ScalarFault::new(format!("expected an IP address and a port, found `{text}`"));
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port_holds = port.parse::<u16>().is_ok();
    Err(match host {
        "" if port_holds => fault.help(format!("did you mean `127.0.0.1:{port}`?")),
        "localhost" if port_holds => fault.help(format!("did you mean `127.0.0.1:{port}`?")),
        "*" if port_holds => fault.help(format!("did you mean `0.0.0.0:{port}`?")),
        _ if text.parse::<u16>().is_ok() => fault.help(format!("did you mean `127.0.0.1:{text}`?")),
        _ if text.parse::<IpAddr>().is_ok() => fault.help("add a port: `127.0.0.1:4100`"),
        _ => fault.help("for example `127.0.0.1:4100`, `0.0.0.0:4100` or `[::1]:4100`"),
    })
}

/// Whether two listeners would take the same port. Port 0 is chosen by the system.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (any || a.ip() == b.ip())
}

/// Where something that is called is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub scheme: Scheme,
    pub authority: Authority,
    /// Empty, or `/` and more, without `/` at the end.
    pub base_path: String,
}

/// The URL of something that is called: `http` or `https`, without user information, query and fragment.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn target(text: &str) -> Result<Target, ScalarFault> {
    if text.contains("${") {
        return Err(ScalarFault::new("`${…}` stands for a secret; a URL is none"));
    }
    if !text.contains("://") {
        let fault = ScalarFault::new("not a URL");
        // What looks like credentials is not repeated.
        return Err(if text.contains('@') {
            fault.help("for example `http://crm:8080`")
        } else {
            fault.help(format!("did you mean `http://{text}`?"))
        });
    }
    let url = Url::parse(text).map_err(|error| ScalarFault::new(format!("not a URL: {error}")))?;
    let scheme = match url.scheme() {
        "http" => Scheme::HTTP,
        "https" => Scheme::HTTPS,
        other => {
            return Err(ScalarFault::new(format!("`{other}` is not a scheme that is called"))
                .help("`http` or `https`"));
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ScalarFault::new("credentials do not belong in a URL").help("use `auth`"));
    }
    if url.query().is_some() {
        return Err(ScalarFault::new("the URL cannot have a query").help("remove `?…`"));
    }
    if url.fragment().is_some() {
        return Err(ScalarFault::new("the URL cannot have a fragment").help("remove `#…`"));
    }
    let no_host = || ScalarFault::new("the URL names no host");
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(no_host)?;
    let authority = match url.port() {
        Some(0) => return Err(ScalarFault::new("port 0 is not a port to call")),
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let base_path = url.path().trim_end_matches('/');
    if base_path.contains("//") || base_path.contains('%') {
        return Err(ScalarFault::new("its path cannot have `//` or `%` in it"));
    }
    Ok(Target {
        scheme,
        authority: authority.parse().map_err(|_| no_host())?,
        base_path: base_path.to_owned(),
    })
}
