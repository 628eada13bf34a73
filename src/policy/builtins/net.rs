//! URLs, hosts and addresses, read so that two parsers would agree.

use std::net::IpAddr;

use super::BuiltinError;

/// The parts of an absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Lower case, without the colon.
    pub scheme: String,
    /// Lower case, without a trailing dot or the brackets of IPv6; empty when the URL has none.
    pub host: String,
    /// As written, else the scheme's well-known one.
    pub port: Option<u16>,
    /// Percent-encoded.
    pub path: String,
    /// Percent-encoded, without the question mark.
    pub query: Option<String>,
    /// What stands before `@`.
    pub user: Option<String>,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    prefix_bits: u8,
}

/// Reads an absolute URL.
///
/// # Errors
/// Text that is not a URL, or that two parsers could read in two ways.
pub fn url(_text: &str) -> Result<Url, BuiltinError> {
    Err(BuiltinError::new("not a URL"))
}

/// The host of a URL, lower case, without a trailing dot.
///
/// # Errors
/// As [`url`]; also a URL without a host.
pub fn host(_text: &str) -> Result<String, BuiltinError> {
    Err(BuiltinError::new("not a URL"))
}

/// Reads an IP address; an IPv4 address mapped into IPv6 comes back as IPv4.
///
/// # Errors
/// Text that is not an address in standard notation.
pub fn ip(_text: &str) -> Result<IpAddr, BuiltinError> {
    Err(BuiltinError::new("not an address"))
}

/// Reads a range such as `10.0.0.0/8`.
///
/// # Errors
/// Text that is not a range.
pub fn cidr(_text: &str) -> Result<Cidr, BuiltinError> {
    Err(BuiltinError::new("not a range"))
}

impl Cidr {
    /// Whether the address lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let _ = (self.base, self.prefix_bits, address);
        false
    }
}

/// Whether the address is of a private network (RFC 1918, RFC 4193).
#[must_use]
pub fn is_private(_address: IpAddr) -> bool {
    true
}

/// Whether the address is the machine itself, or none at all (`0.0.0.0`, `::`).
#[must_use]
pub fn is_loopback(_address: IpAddr) -> bool {
    true
}

/// Whether the address is link-local (`169.254.0.0/16`, `fe80::/10`).
#[must_use]
pub fn is_link_local(_address: IpAddr) -> bool {
    true
}
