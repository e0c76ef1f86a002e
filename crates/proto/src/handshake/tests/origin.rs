use alloc::{string::ToString as _, sync::Arc};

use super::*;
use crate::uri::Scheme;

fn request(host: &str, origin: Option<&str>) -> UpgradeRequest {
    upgrade(&request_with(&[("Host", Some(host)), ("Origin", origin)]))
}

#[test]
fn h15_same_host() {
    let (ws, wss) = (Some(Scheme::Ws), Some(Scheme::Wss));
    // rule, Host, Origin, what is known of the scheme, allowed
    let cases = [
        ("no browser", "a", None, None, true),
        ("the same", "a", Some("http://a"), None, true),
        ("TLS ends before us", "a", Some("https://a"), None, true),
        ("any case", "A", Some("HTTPS://a"), None, true),
        ("another host", "a", Some("https://b"), None, false),
        ("a longer host", "a", Some("https://a.b"), None, false),
        ("a shorter host", "a.b", Some("https://b"), None, false),
        ("the port", "a:8080", Some("http://a:8080"), None, true),
        ("another port", "a:8080", Some("http://a:8081"), None, false),
        ("a port more", "a", Some("http://a:8080"), None, false),
        ("a port less", "a:8080", Some("http://a"), None, false),
        ("default port by the Origin's scheme", "a", Some("https://a:443"), None, true),
        ("default port by the Origin's scheme", "a:443", Some("https://a"), None, true),
        ("default port by the Origin's scheme", "a:443", Some("http://a"), None, false),
        ("default port by the Origin's scheme", "a:80", Some("http://a"), None, true),
        ("IPv6", "[::1]:80", Some("http://[0:0::1]"), None, true),
        ("null", "a", Some("null"), None, false),
        ("an empty Origin", "a", Some(""), None, false),
        ("not an origin", "a", Some("a"), None, false),
        ("not an origin", "a", Some("http://a/"), None, false),
        ("not an origin", "a", Some("http://a http://b"), None, false),
        ("not an origin", "a", Some("http://b@a"), None, false),
        ("not an origin", "a", Some("://a"), None, false),
        ("a file", "a", Some("file://"), None, false),
        ("an extension of the browser", "a", Some("chrome-extension://b"), None, false),
        ("TLS known", "a", Some("https://a"), wss, true),
        ("TLS known, any case", "a", Some("HTTPS://a"), wss, true),
        ("TLS known", "a", Some("http://a"), wss, false),
        ("plain known", "a", Some("https://a"), ws, false),
        ("plain known", "a", Some("http://a"), ws, true),
        ("plain known, no browser", "a", None, ws, true),
    ];
    for (rule, host, origin, scheme, allowed) in cases {
        let checked = OriginPolicy::default().check(&request(host, origin), scheme);
        assert_eq!(checked.is_ok(), allowed, "H15 {rule}: {origin:?} on {host}");
    }
}

#[test]
fn h15_other_policies() {
    let list = OriginPolicy::list(["https://a.example", "http://b.example:81"]).unwrap();
    let cases = [
        (&list, Some("https://a.example"), true),
        (&list, Some("https://A.example:443"), true),
        (&list, Some("http://a.example"), false),
        (&list, Some("http://b.example"), false),
        (&list, Some("http://b.example:81"), true),
        (&list, Some("https://host"), false),
        (&list, Some("null"), false),
        (&list, None, true),
        (&OriginPolicy::Any, Some("null"), true),
        (&OriginPolicy::Any, Some("rubbish"), true),
        (&OriginPolicy::Any, None, true),
    ];
    for (policy, origin, allowed) in cases {
        let checked = policy.check(&request("host", origin), None);
        assert_eq!(checked.is_ok(), allowed, "H15 {policy:?} {origin:?}");
    }
    let null = OriginPolicy::list(["null"]).unwrap();
    assert!(null.check(&request("host", Some("null")), None).is_ok(), "H15 null by explicit wish");
    let custom = OriginPolicy::Custom(Arc::new(|request| request.origin() == Some("x")));
    assert!(custom.check(&request("host", Some("x")), None).is_ok(), "H15 callback");
    assert!(custom.check(&request("host", None), None).is_err(), "H15 callback decides alone");
    for bad in ["", "a", "https://", "https://a/", "https://a b", "*"] {
        assert_eq!(OriginPolicy::list([bad]).unwrap_err(), ApiMisuse::OriginInvalid, "{bad}");
    }
}

#[test]
fn h15_the_log_names_both_values_and_the_setting() {
    let policy = OriginPolicy::SameHost;
    let refused = policy.check(&request("a:81", Some("https://evil")), None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the Origin \"https://evil\" may not connect to the host \"a:81\" \
         under the setting origin = same_host (RFC 6455 §10.2)"
    );
    let response = Rejection::from(&refused).to_response(HttpVersion::Http11);
    assert_eq!(response.status(), 403);
    assert_eq!(response.body(), b"This page's origin may not connect here.\n");
}

#[test]
fn what_an_origin_is_made_of() {
    let origin: Origin = "HTTPS://Example.com".parse().unwrap();
    let (scheme, authority) = origin.tuple().unwrap();
    assert_eq!((scheme, authority.to_string()), ("https", "example.com:443".to_string()));
    assert_eq!("null".parse::<Origin>().unwrap().tuple(), None);
}
