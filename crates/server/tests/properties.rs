//! Any bytes at all, where strangers or operators write them.
#![cfg(test)]

use std::{io, net::IpAddr, path::Path};

use http::{HeaderMap, HeaderValue, Request};
use proptest::prelude::*;
use tidewire_server::{
    config::Sources,
    door::{
        AllowedOrigins, Asked, Presented, Secret, TokenPlaces, TrustedProxies, redacted,
        token::{HmacAlgorithm, Key, SigningKey, TokenRules, Unverified},
    },
};

const SECRET: &str = "a secret of more than thirty-two bytes";

/// What a header may have in it.
fn value() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b','), Just(b' '), Just(b'.'), 0x20..=0xFF_u8],
        0..64,
    )
    .prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != 0x7F).collect())
}

/// Words around which the door's readers turn.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("Bearer"),
        Just("bearer "),
        Just(","),
        Just(", "),
        Just(";"),
        Just("="),
        Just("auth="),
        Just("abc.def.ghi"),
        Just("x"),
        Just(" "),
        Just("Basic "),
        Just("10.0.0.1"),
        Just("[::1]:1"),
        Just("https"),
        Just("null"),
        Just("://"),
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = proptest::sample::select(vec![
        "authorization",
        "cookie",
        "sec-websocket-protocol",
        "x-forwarded-for",
        "x-forwarded-proto",
        "origin",
        "sec-fetch-site",
    ]);
    let value = prop_oneof![value(), words().prop_map(String::into_bytes)];
    proptest::collection::vec((name, value), 0..6)
}

fn request(target: &str, headers: &[(&'static str, Vec<u8>)]) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.uri_mut() = target.parse().ok()?;
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}

/// A line that may stand in a file.
fn line() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(vec![
        "log",
        "log.level",
        "engine.threads",
        "http.listen",
        "[[channel.namespaces]]",
        "[client]",
        "name",
        "x",
        "drain_within",
        "",
        "[",
        "history_size",
        "client.allowed_origins",
    ]);
    let value = proptest::sample::select(vec![
        "",
        " = ",
        " = 1",
        " = -1",
        " = 'info'",
        " = []",
        " = [1]",
        " = {}",
        " = '10s'",
        " = true",
        " = \"\\u0001\"",
        " = ['*']",
        "]",
    ]);
    (key, value).prop_map(|(key, value)| format!("{key}{value}"))
}

proptest! {
    // The folder of tests is no crate, so failures are kept in the log and not in a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a request shows, it is taken out of it, or the request is refused; a second look finds
    /// nothing, but for the cookie, which stays where it is.
    #[test]
    fn what_is_presented_is_taken(target in "/[a-z]{0,3}(\\?[a-z=&.]{0,20})?", headers in headers()) {
        let Some(mut request) = request(&target, &headers) else { return Ok(()) };
        let places = TokenPlaces { cookie: Some("auth".to_owned()), query: true };
        let taken = Presented::take(&mut request, &places, true);
        if taken.is_ok() {
            let again = Presented::take(&mut request, &places, false);
            // `Bearer` alone is what is left of a token beside a subprotocol.
            let left = request.headers().contains_key("sec-websocket-protocol");
            prop_assert!(left || matches!(again, Ok(None)), "{again:?} {request:?}");
        }
        prop_assert!(redacted(request.uri()).len() <= 6 * target.len() + 8);
    }

    /// Who is no trusted proxy is who it is, whatever it says.
    #[test]
    fn strangers_are_not_listened_to(headers in headers(), peer: [u8; 4]) {
        let Some(request) = request("/", &headers) else { return Ok(()) };
        let peer = IpAddr::from(peer);
        let client = TrustedProxies::default().client(peer, false, request.headers());
        prop_assert_eq!((client.address, client.scheme), (peer, None));
        let all = TrustedProxies::new(["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
        all.client(peer, false, request.headers());
    }

    /// No Origin gets in but the host's own.
    #[test]
    fn origins_are_those_of_the_host(origin in prop_oneof![value(), words().prop_map(String::into_bytes)]) {
        let Ok(value) = HeaderValue::from_bytes(&origin) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert("origin", value);
        let host = "chat.example.com".parse().unwrap();
        let asked = Asked { headers: &headers, host: &host, scheme: None };
        prop_assert!(AllowedOrigins::Same.check(asked).is_err());
    }

    /// What nobody has signed is not good, and does not panic.
    #[test]
    fn noise_is_no_token(noise in "[A-Za-z0-9_.\\-]{0,80}", bytes: Vec<u8>) {
        let key = Key::hmac(HmacAlgorithm::Hs256, &Secret::new(SECRET)).unwrap();
        let rules = TokenRules::new(vec![key]).unwrap();
        for token in [noise.as_str(), &String::from_utf8_lossy(&bytes)] {
            prop_assert!(rules.judge_connection(token, 0).is_err());
            prop_assert!(rules.judge_subscription(token, 0).is_err());
            let _ = Unverified::parse(token);
        }
    }

    /// Whatever the application signs is read without a panic.
    #[test]
    fn any_claims(json in "\\{(\"(sub|exp|nbf|aud|iss|info|b64info|channels|subs|channel|expire_at)\":\
                           (1|-1|1e400|null|true|\"a\"|\"YQ==\"|\\[\\]|\\[\"a\"\\]|\\{\\}|\\{\"a\":\\{\\}\\})){0,1}\\}") {
        let key = SigningKey::hmac(HmacAlgorithm::Hs256, &Secret::new(SECRET)).unwrap();
        let Ok(claims) = serde_json::from_str::<serde_json::Value>(&json) else { return Ok(()) };
        let token = key.sign(&claims).unwrap();
        let key = Key::hmac(HmacAlgorithm::Hs256, &Secret::new(SECRET)).unwrap();
        let rules = TokenRules::new(vec![key]).unwrap();
        let _ = rules.judge_connection(&token, 1_000_000);
        let _ = rules.judge_subscription(&token, 1_000_000);
    }

    /// A file is taken or refused in words, and what is taken can be printed and taken again.
    #[test]
    fn any_file(
        lines in proptest::collection::vec(line(), 0..6),
        noise: Vec<u8>,
    ) {
        let nothing = |_: &Path| Err::<String, _>(io::Error::from(io::ErrorKind::NotFound));
        let lines = lines.join("\n");
        for text in [lines.as_str(), &String::from_utf8_lossy(&noise)] {
            match Sources::new().file("t.toml", text).load(nothing) {
                Ok(settings) => {
                    let printed = settings.options.to_toml();
                    let again = Sources::new().file("t.toml", &printed).load(nothing).unwrap();
                    prop_assert_eq!(again.options.to_toml(), printed);
                }
                Err(error) => {
                    prop_assert!(error.count() > 0);
                    prop_assert!(error.to_string().lines().count() >= error.count());
                }
            }
        }
    }
}
