use alloc::string::ToString as _;

use proptest::prelude::*;

use super::*;
use UriError as E;

#[test]
fn uris_by_section() {
    let cases = [
        // rule, uri, host, port, Host header, resource name
        ("§3 ws", "ws://a.example/chat", "a.example", 80, "a.example", "/chat"),
        ("§3 wss", "wss://a.example/chat", "a.example", 443, "a.example", "/chat"),
        ("§3 any case", "WsS://A.Example/Chat", "a.example", 443, "a.example", "/Chat"),
        ("§3 empty path", "ws://a", "a", 80, "a", "/"),
        ("§3 query", "ws://a/b?c=d?e/f@g", "a", 80, "a", "/b?c=d?e/f@g"),
        ("§3 query without a path", "ws://a?c", "a", 80, "a", "/?c"),
        ("C12 a port", "ws://a:8080/", "a", 8080, "a:8080", "/"),
        ("C12 the default port is left out", "ws://a:80/", "a", 80, "a", "/"),
        ("C12 also that of wss", "wss://a:443/", "a", 443, "a", "/"),
        ("C12 the other's default stays", "ws://a:443/", "a", 443, "a:443", "/"),
        ("RFC 3986 §3.2.3 empty port", "ws://a:/", "a", 80, "a", "/"),
        ("C12 IPv6", "ws://[::1]:9/", "[::1]", 9, "[::1]:9", "/"),
        ("C12 IPv6, default port", "ws://[0:0::1]", "[::1]", 80, "[::1]", "/"),
        ("RFC 3986 §3.2.2 IPv4", "ws://127.0.0.1:1/", "127.0.0.1", 1, "127.0.0.1:1", "/"),
        ("RFC 3986 §3.2.2 reg-name", "ws://a_b%20c/", "a_b%20c", 80, "a_b%20c", "/"),
        ("C12 user info is no host", "ws://u:p@a/", "a", 80, "a", "/"),
    ];
    for (rule, text, host, port, header, resource) in cases {
        let uri: Uri = text.parse().unwrap();
        assert_eq!(uri.host().to_string(), host, "{rule}");
        assert_eq!(uri.port(), port, "{rule}");
        assert_eq!(uri.host_header(), header, "{rule}");
        assert_eq!(uri.resource_name(), resource, "{rule}");
    }
}

#[test]
fn errors_by_section() {
    let long = "ws://a/".to_string() + &"x".repeat(URI_LEN_MAX);
    let cases: &[(&str, &str, E)] = &[
        ("§3 scheme", "a.example", E::SchemeMissing),
        ("§3 scheme", "ws:a", E::SchemeMissing),
        ("§3 scheme", "", E::SchemeMissing),
        ("§3 scheme", "ftp://a/", E::SchemeUnknown),
        ("§3 scheme", "http://a/", E::SchemeOfHttp { instead: Scheme::Ws }),
        ("§3 scheme", "HTTPS://a/", E::SchemeOfHttp { instead: Scheme::Wss }),
        ("C12 §3 no fragment", "ws://a/#b", E::Fragment),
        ("C12 §3 no empty fragment", "ws://a/#", E::Fragment),
        ("C12 §3 no fragment without a path", "ws://a#b", E::Fragment),
        ("RFC 9110 §4.2.1 host", "ws:///a", E::HostMissing),
        ("RFC 9110 §4.2.1 host", "ws://:80/a", E::HostMissing),
        ("RFC 9110 §4.2.1 host", "ws://u@/a", E::HostMissing),
        ("RFC 3986 §3.2.2 unclosed", "ws://[::1/", E::HostInvalid),
        ("RFC 3986 §3.2.2 no address", "ws://[::g]/", E::HostInvalid),
        ("RFC 3986 §3.2.2 no brackets", "ws://::1/", E::HostInvalid),
        ("RFC 3986 §3.2.2 after the bracket", "ws://[::1]a/", E::HostInvalid),
        ("RFC 3986 §3.2.2 bad encoding", "ws://a%2/", E::HostInvalid),
        ("RFC 3986 §3.2.2 no reg-name", "ws://a<b/", E::HostInvalid),
        ("RFC 3986 §3.2.2 a backslash", "ws://a\\b/", E::HostInvalid),
        ("RFC 3986 §3.2.3 port", "ws://a:65536/", E::PortInvalid),
        ("RFC 3986 §3.2.3 port", "ws://a:+1/", E::PortInvalid),
        ("RFC 3986 §3.2.3 port", "ws://a:1x/", E::PortInvalid),
        ("RFC 3986 §2", "ws://a/b c", E::InvalidCharacter { at: 8 }),
        ("RFC 3986 §2", "ws://a/\r\nb", E::InvalidCharacter { at: 7 }),
        ("RFC 3986 §2", "ws://\u{e4}/", E::InvalidCharacter { at: 5 }),
        ("RFC 7617 §2", "ws://a%3Ab:c@d/", E::UserInfoInvalid),
        ("RFC 7617 §2", "ws://%zz@d/", E::UserInfoInvalid),
        ("uri_len_max", &long[..=URI_LEN_MAX], E::TooLong { len: URI_LEN_MAX + 1 }),
    ];
    for (rule, text, error) in cases {
        assert_eq!(text.parse::<Uri>(), Err(*error), "{rule}: {text}");
    }
    assert!(long[..URI_LEN_MAX].parse::<Uri>().is_ok(), "uri_len_max itself");
}

#[test]
fn c12_user_info_is_decoded_and_never_shown() {
    let uri: Uri = "ws://us%40er:p%3Ass:w@a/b?token=t".parse().unwrap();
    let user_info = uri.user_info().unwrap();
    assert_eq!((user_info.user(), user_info.password()), (&b"us@er"[..], &b"p:ss:w"[..]));
    assert_eq!(uri.to_string(), "ws://a/b?token=t");
    assert_eq!(format!("{uri:?}"), "Uri(ws://a/b?…)");
    assert_eq!(format!("{user_info:?}"), "UserInfo(…)");
    let user_alone: Uri = "ws://u@a".parse().unwrap();
    assert_eq!(user_alone.user_info().unwrap().password(), b"");
}

#[test]
fn errors_say_what_is_possible() {
    assert_eq!(
        E::SchemeOfHttp { instead: Scheme::Wss }.to_string(),
        "https: is not a WebSocket scheme; write wss: for https: (RFC 6455 §3)"
    );
}

proptest! {
    #[test]
    fn never_panics(text in "(ws://)?[a:/?#@%\\[\\]0-9\\x00-\u{ff}]{0,40}") {
        let _ = text.parse::<Uri>();
        let _ = text.parse::<Authority>();
    }

    /// What is shown is read as the same URI.
    #[test]
    fn reading_undoes_writing(
        authority in "([a-z0-9.-]{1,9}|\\[::[0-9]\\])(:[0-9]{0,4})?",
        resource in "([/?][!-\"$-~]{0,9})?",
    ) {
        let text = format!("ws://{authority}{resource}");
        let uri: Uri = text.parse().unwrap();
        prop_assert_eq!(uri.to_string().parse::<Uri>().unwrap(), uri);
    }
}
