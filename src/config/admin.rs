//! Who may reach the admin side, and under which names.

use http::uri::Authority;
use secrecy::ExposeSecret;

use super::settings::AdminTokens;
use super::validate::{Check, digest_key};
use super::{codes, raw};
use crate::yaml::{Field, ScalarFault};

/// The tokens; two that are the same would make whoever may look one who may act.
pub(super) fn tokens(raw: Option<&raw::AdminTokens>, check: &mut Check<'_>) -> AdminTokens {
    let Some(raw) = raw else { return AdminTokens::default() };
    let read = raw.read.as_ref().and_then(|text| digest_key(text, check));
    let write = raw.write.as_ref().and_then(|text| digest_key(text, check));
    if let (Some(read), Some(write), Some(place)) = (&read, &write, &raw.read)
        && read.expose_secret() == write.expose_secret()
    {
        let text = ScalarFault::new("`read` and `write` are the same token")
            .help("leave `read` out: `write` includes it");
        check.fault(codes::SECRET, place.span, text);
    }
    AdminTokens { read, write }
}

/// Hosts without a port, as a `Host` header names them.
pub(super) fn hosts(raw: &[Field<String>], check: &mut Check<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for field in raw {
        match field.value.parse::<Authority>() {
            Ok(host) if host.host() == host.as_str() => hosts.push(field.value.clone()),
            Ok(_) | Err(_) => {
                let text = ScalarFault::new(format!("`{}` is not a host", field.value));
                let help = "a name or an address without a port: `gate.internal`";
                check.fault(codes::ADDRESS, field.span, text.help(help));
            }
        }
    }
    hosts
}
