//! URLs that confuse parsers, addresses in disguise, ranges.

use proptest::prelude::*;

use super::{cidr, host, ip, is_link_local, is_loopback, is_private, url};

#[test]
fn a_url_is_taken_apart() {
    let read = url("HTTPS://user@API.Example.com.:8443/a%20b/c;d?e=f&g=%2F#h").unwrap();
    assert_eq!(read.scheme, "https");
    assert_eq!(read.host, "api.example.com");
    assert_eq!(read.port, Some(8443));
    assert_eq!(read.path, "/a%20b/c;d");
    assert_eq!(read.query.as_deref(), Some("e=f&g=%2F"));
    assert_eq!(read.user.as_deref(), Some("user"));
    let read = url("http://x").unwrap();
    assert_eq!((read.port, read.path.as_str(), read.query, read.user), (Some(80), "/", None, None));
    assert_eq!(url("http://a:b@c/").unwrap().user.as_deref(), Some("a"));
    assert_eq!(url("https://x:443/").unwrap().port, Some(443));
    assert_eq!(url("wss://x").unwrap().port, Some(443));
    assert_eq!(url("postgres://x/db").unwrap().port, None);
    assert_eq!(url("file:///etc/passwd").unwrap().path, "/etc/passwd");
    assert_eq!(url("file:///etc/passwd").unwrap().host, "");
    assert_eq!(url("mailto:a@b.c").unwrap().scheme, "mailto");
    assert_eq!(url("https://x/@user/y").unwrap().host, "x");
    assert_eq!(url("https://x/a/./b").ok(), None);
}

#[test]
fn hosts_come_in_one_spelling() {
    for (text, expected) in [
        ("http://EXAMPLE.com", "example.com"),
        ("http://example.com./", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("http://a@example.com/", "example.com"),
        ("http://good.example:80@evil.example/", "evil.example"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://127.1/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0x7f000001/", "127.0.0.1"),
        ("http://0177.0.0.1/", "127.0.0.1"),
        ("http://0x7f.0.0.1./", "127.0.0.1"),
        ("http://0/", "0.0.0.0"),
        ("postgres://0x7f.1/", "127.0.0.1"),
        ("postgres://EXAMPLE.com/", "example.com"),
        ("http://[::1]/", "::1"),
        ("http://[0:0:0:0:0:0:0:1]:80/", "::1"),
        ("http://[::ffff:127.0.0.1]/", "127.0.0.1"),
        ("http://[::ffff:7f00:1]/", "127.0.0.1"),
        ("http://[FE80::1]/", "fe80::1"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://a_b.example/", "a_b.example"),
        ("https://api.corp.example?x=1", "api.corp.example"),
        ("https://api.corp.example#x", "api.corp.example"),
    ] {
        assert_eq!(host(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn urls_that_parsers_read_differently_are_refused() {
    for text in [
        "",
        "/relative",
        "//example.com/",
        "example.com",
        "http:",
        "http:/",
        "http://",
        "http:example.com",
        "http:/example.com",
        "http:///example.com",
        "http:////example.com",
        "https:\\\\example.com",
        "http://example.com\\@evil.example",
        "http://good.example\\.evil.example",
        "http://good.example@evil@worse.example",
        "http://good.example#@evil.example",
        "http://good.example?@evil.example",
        "http://good.example:80#@evil.example/",
        " http://example.com",
        "http://example.com ",
        "http://exa mple.com",
        "http://exam\tple.com",
        "http://exam\nple.com",
        "ht\ntp://example.com",
        "http://example.com/\r\nHost: evil",
        "http://example.com/a b",
        "http://example.com\u{0}.evil.example",
        "http://example.com%00.evil.example",
        "http://ex%61mple.com",
        "http://example.com%2f@evil.example",
        "http://[::1%25eth0]/",
        "http://bücher.example",
        "http://example。com",
        "http://ｅxample.com",
        "http://example.com/ä",
        "http://example..com",
        "http://example.com..",
        "http://.example.com",
        "http://./",
        "http://[::1",
        "http://::1/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://example.com:99999/",
        "http://example.com:x/",
        "http://example.com//evil.example",
        "http://example.com/%",
        "http://example.com/%zz",
        "http://example.com/%00",
        "http://example.com/../x",
        "http://example.com/a/..",
        "http://example.com/a/%2e%2E/b",
        "http://example.com/a/.%2e/b",
        "http://example.com/a/..;x/b",
        "http://example.com/<x>",
        "http://example.com/\"",
        "http://example.com/{x}",
        "http://example.com/x|y",
        "http://example.com/x^y",
        "http://example.com/`x`",
        "http://exam<ple.com",
    ] {
        assert!(url(text).is_err(), "{text:?}: {:?}", url(text));
    }
    for text in ["file:///etc/passwd", "mailto:a@b.c", "data:text/plain,x", "javascript:x"] {
        assert!(host(text).is_err(), "{text}");
    }
    assert!(url(&format!("http://x/{}", "a".repeat(8 * 1024))).is_err());
}

#[test]
fn addresses_come_in_one_spelling() {
    assert_eq!(ip("10.1.2.3").unwrap().to_string(), "10.1.2.3");
    assert_eq!(ip("::ffff:10.1.2.3").unwrap().to_string(), "10.1.2.3");
    assert_eq!(ip("::FFFF:0a01:0203").unwrap().to_string(), "10.1.2.3");
    assert_eq!(ip("2001:DB8:0::1").unwrap().to_string(), "2001:db8::1");
    for text in [
        "",
        "10.1",
        "010.1.2.3",
        "0x0a.1.2.3",
        "167838211",
        "10.1.2.3.",
        " 10.1.2.3",
        "10.1.2.256",
        "[::1]",
        "::1%eth0",
        "::1/128",
        "localhost",
        "１.1.1.1",
    ] {
        assert!(ip(text).is_err(), "{text}");
    }
}

#[test]
fn ranges_hold_what_they_say() {
    let within =
        |range: &str, address: &str| cidr(range).unwrap().contains(address.parse().unwrap());
    assert!(within("10.0.0.0/8", "10.255.1.2"));
    assert!(within("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert!(!within("10.0.0.0/8", "11.0.0.0"));
    assert!(!within("10.0.0.0/8", "::10.0.0.1"));
    assert!(within("0.0.0.0/0", "255.255.255.255"));
    assert!(!within("0.0.0.0/0", "::1"));
    assert!(within("1.2.3.4/32", "1.2.3.4"));
    assert!(!within("1.2.3.4/32", "1.2.3.5"));
    assert!(within("::/0", "2001:db8::1"));
    assert!(!within("::/0", "1.2.3.4"));
    assert!(within("fe80::/10", "febf::1"));
    assert!(!within("fe80::/10", "fec0::1"));
    assert!(within("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert!(within("2001:db8::1/128", "2001:db8::1"));
    for text in [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "/8",
        "10.0.0.0/8/8",
        "10.0.0.1/8",
        "10.0/8",
        "::/129",
        "::ffff:0.0.0.0/8",
        "x/8",
        "10.0.0.0/08x",
    ] {
        assert!(cidr(text).is_err(), "{text}");
    }
}

#[test]
fn addresses_that_lead_inside_are_known_in_every_spelling() {
    let private = |text: &str| is_private(text.parse().unwrap());
    let loopback = |text: &str| is_loopback(text.parse().unwrap());
    let link_local = |text: &str| is_link_local(text.parse().unwrap());
    for text in [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "fd00::1",
        "fc00::1",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
        "2002:0a01:0203::1",
        "::10.1.2.3",
    ] {
        assert!(private(text), "{text}");
    }
    for text in ["11.0.0.1", "172.32.0.1", "100.128.0.1", "8.8.8.8", "2001:db8::1", "fe80::1"] {
        assert!(!private(text), "{text}");
    }
    for text in [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
    ] {
        assert!(loopback(text), "{text}");
    }
    assert!(!loopback("128.0.0.1") && !loopback("2001:db8::1"));
    for text in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"] {
        assert!(link_local(text), "{text}");
    }
    assert!(!link_local("169.253.0.1") && !link_local("fec0::1"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = (url(&text), host(&text), ip(&text), cidr(&text));
    }

    #[test]
    fn nothing_panics_on_url_like_text(text in "(http|file|x|HTTPS)?:?/{0,3}[a-z0-9.@:\\[\\]%#?/\\\\ é-]{0,30}") {
        if let Ok(read) = url(&text) {
            // What is accepted reads the same when written out again.
            if !read.host.is_empty() && read.user.is_none() {
                let host = if read.host.contains(':') { format!("[{}]", read.host) } else { read.host.clone() };
                let port = read.port.map(|port| format!(":{port}")).unwrap_or_default();
                let query = read.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
                let again = format!("{}://{host}{port}{}{query}", read.scheme, read.path);
                prop_assert_eq!(url(&again), Ok(read), "{}", again);
            }
        }
    }

    #[test]
    fn a_range_holds_its_base_and_nothing_past_its_end(bits in 1_u8..=32, address in any::<u32>()) {
        let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
        let base = std::net::Ipv4Addr::from_bits(address & mask);
        let range = cidr(&format!("{base}/{bits}")).unwrap();
        prop_assert!(range.contains(base.into()));
        prop_assert!(range.contains(std::net::Ipv4Addr::from_bits(address | !mask).into()));
        let past = (address | !mask).wrapping_add(1);
        prop_assert!(!range.contains(std::net::Ipv4Addr::from_bits(past).into()));
    }
}
