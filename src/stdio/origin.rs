//! Which web pages may speak to a hosted server: those of this machine. A page of another origin whose
//! name has been pointed at this machine is not one of them (MCP, "Transports", "Security Warning":
//! servers validate `Origin`, against DNS rebinding).

use std::net::IpAddr;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Uri};

/// Whether a request may be served: one that no page sent, or a page of this machine.
pub(super) fn is_welcome(headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().all(is_local)
}

fn is_local(origin: &HeaderValue) -> bool {
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let Some(host) = uri.as_ref().and_then(Uri::host) else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(origins: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        is_welcome(&headers)
    }

    #[test]
    fn only_pages_of_this_machine_are_welcome() {
        for local in [
            "http://localhost",
            "http://LOCALHOST:6274",
            "https://127.0.0.1:8443",
            "http://127.8.9.1",
            "http://[::1]:3000",
        ] {
            assert!(welcome(&[local]), "{local}");
        }
        for foreign in [
            "http://evil.example.com",
            "http://localhost.evil.example",
            "http://evil.example/127.0.0.1",
            "http://127.0.0.1@evil.example",
            "http://10.0.0.1",
            "http://[::ffff:10.0.0.1]",
            "null",
            "",
        ] {
            assert!(!welcome(&[foreign]), "{foreign}");
        }
        assert!(welcome(&[]), "no page sent it");
        assert!(!welcome(&["http://localhost", "http://evil.example"]), "all of them count");
    }
}
