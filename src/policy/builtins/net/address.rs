//! IP addresses and ranges of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::policy::builtins::BuiltinError;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    prefix_bits: u8,
}

/// Reads an IP address; an IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) comes back as
/// IPv4.
///
/// # Errors
/// Text that is not an address in standard notation: four decimal numbers without leading zeros
/// (RFC 6943 section 3.1.1), or IPv6 (RFC 4291) without brackets or zone.
pub fn ip(text: &str) -> Result<IpAddr, BuiltinError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(BuiltinError::new("not an IP address in standard notation")),
    }
}

/// Reads a range such as `10.0.0.0/8` (RFC 4632, RFC 4291).
///
/// # Errors
/// Text that is not a range; bits set behind the prefix, which is more often a mistake than not.
pub fn cidr(text: &str) -> Result<Cidr, BuiltinError> {
    let fault = |what: &str| Err(BuiltinError::new(format!("not an address range: {what}")));
    let Some((base, prefix)) = text.split_once('/') else {
        return fault("no `/`");
    };
    let Ok(base) = base.parse::<IpAddr>() else {
        return fault("no IP address before `/`");
    };
    let canonical = base.to_canonical();
    let width = if base.is_ipv4() { 32 } else { 128 };
    let digits = !prefix.is_empty() && prefix.chars().all(|c| c.is_ascii_digit());
    let prefix = prefix.parse::<u8>().ok().filter(|bits| digits && *bits <= width);
    let Some(mut prefix_bits) = prefix else {
        return fault("no number of bits after `/`");
    };
    if canonical.is_ipv4() && base.is_ipv6() {
        // Ninety-six bits say "mapped IPv4"; a shorter prefix would cover other addresses too.
        let Some(bits) = prefix_bits.checked_sub(96) else {
            return fault("it is wider than all of IPv4");
        };
        prefix_bits = bits;
    }
    let range = Cidr { base: canonical, prefix_bits };
    if masked(canonical, prefix_bits) != number(canonical) {
        return fault("bits are set behind the prefix");
    }
    Ok(range)
}

impl Cidr {
    /// Whether the address lies in the range. IPv4 addresses mapped into IPv6 count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4()
            && masked(address, self.prefix_bits) == number(self.base)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, prefix_bits: u8) -> u128 {
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let free = u32::from(width.saturating_sub(prefix_bits));
    let mask = u128::MAX.checked_shl(free).unwrap_or(0);
    number(address) & mask
}

/// Whether the address is of a private network (RFC 1918, RFC 4193) or of a provider's shared one
/// (RFC 6598), also when embedded in IPv6.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match reached(address) {
        IpAddr::V4(address) => {
            let shared = address.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            address.is_private() || shared
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Whether the address is the machine itself, also as `0.0.0.0/8` or `::`, which reach it.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    match reached(address) {
        IpAddr::V4(address) => address.is_loopback() || address.octets().starts_with(&[0]),
        IpAddr::V6(address) => address.is_loopback() || address.is_unspecified(),
    }
}

/// Whether the address is link-local (`169.254.0.0/16`, `fe80::/10`), where clouds serve metadata
/// and credentials.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match reached(address) {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, of NAT64 (RFC 6052), of 6to4 (RFC 3056), or
/// compatible (RFC 4291 section 2.5.5.1).
fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let low = Ipv4Addr::from_bits((v6.to_bits() & u128::from(u32::MAX)) as u32);
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => IpAddr::V4(low),
        [0x2002, high, low, ..] => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        [0, 0, 0, 0, 0, 0, _, _] if !matches!(v6, Ipv6Addr::UNSPECIFIED | Ipv6Addr::LOCALHOST) => {
            IpAddr::V4(low)
        }
        _ => IpAddr::V6(v6),
    }
}
