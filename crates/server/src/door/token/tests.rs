//! Tokens that are good, and tokens that are wrong in every way.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tidewire_hub::{
    ChannelName, ClientId, Data, Seed, SubscriptionGrant, Timestamp, TokenError, UserId,
    Verifier as _,
};

use super::{TokenRefused as Refused, *};
use crate::door::{Now, Secret};

const SECRET: &str = "a secret of sixty-four bytes, which is what HS512 asks for: 64..";
const OTHER_SECRET: &str = "another secret of sixty-four bytes, for a key that came later...";
const RSA: &str = include_str!("vectors/rsa.pem");
const P256: &str = include_str!("vectors/p256.pem");
const P384: &str = include_str!("vectors/p384.pem");
const ED: &str = include_str!("vectors/ed.pem");

/// Signed by OpenSSL: see `vectors/README.md`.
const TOKENS: &str = include_str!("vectors/tokens.txt");

/// Now, in seconds since 1970, wherever a test does not say otherwise.
const TODAY: u64 = 1_800_000_000;

const HS256: HmacAlgorithm = HmacAlgorithm::Hs256;

fn key(algorithm: Algorithm) -> Key {
    let secret = Secret::new(SECRET);
    match algorithm {
        Algorithm::Hmac(algorithm) => Key::hmac(algorithm, &secret).unwrap(),
        Algorithm::Public(algorithm) => {
            let pem = match algorithm.key_kind() {
                "RSA" => RSA,
                "P-256" => P256,
                "P-384" => P384,
                _ => ED,
            };
            Key::public(algorithm, pem).unwrap()
        }
    }
}

fn signing_key(algorithm: Algorithm) -> SigningKey {
    match algorithm {
        Algorithm::Hmac(algorithm) => SigningKey::hmac(algorithm, &Secret::new(SECRET)).unwrap(),
        Algorithm::Public(algorithm) => {
            let pem = match algorithm.key_kind() {
                "RSA" => include_str!("vectors/rsa.key"),
                "P-256" => include_str!("vectors/p256.key"),
                "P-384" => include_str!("vectors/p384.key"),
                _ => include_str!("vectors/ed.key"),
            };
            SigningKey::private(algorithm, pem).unwrap()
        }
    }
}

fn at(seconds: u64) -> Now {
    Now { unix: seconds * 1000, hub: Timestamp::from_millis(7_000) }
}

fn verifier(rules: TokenRules) -> TokenVerifier {
    let rules = Arc::new(rules);
    let mut verifier = TokenVerifier::new(Arc::clone(&rules), rules, Seed::new([1, 2]));
    verifier.set_now(at(TODAY));
    verifier
}

fn by(algorithm: Algorithm) -> TokenVerifier {
    verifier(TokenRules::new(vec![key(algorithm)]).unwrap())
}

fn hs256() -> TokenVerifier {
    by(Algorithm::Hmac(HS256))
}

/// A token by the first secret.
fn token(claims: &Value) -> String {
    signing_key(Algorithm::Hmac(HS256)).sign(claims).unwrap()
}

/// A token with any header and any claims, signed by the first secret as if all were well.
fn raw_token(header: &[u8], claims: &[u8]) -> String {
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = ring::hmac::sign(&hmac, parts.as_bytes());
    format!("{parts}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn each_algorithm_verifies_what_openssl_has_signed() {
    let lines: Vec<_> = TOKENS.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(lines.len(), Algorithm::ALL.len());
    for (name, token) in &lines {
        let algorithm: Algorithm = name.parse().unwrap();
        let credentials = by(algorithm).read_connection(token).unwrap();
        assert_eq!(credentials.user.as_str(), "ann", "{name}");
        // The same by a key that is not the token's.
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(by(other).read_connection(token), Err(Refused::Algorithm), "{name} {other}");
        }
        // One bit of each part.
        for (index, _) in token.match_indices('.').chain([(token.len() - 8, "")]) {
            let mut bytes = (*token).to_owned().into_bytes();
            bytes[index - 3] = if bytes[index - 3] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            by(algorithm).read_connection(&forged).expect_err(name);
        }
    }
}

#[test]
fn each_algorithm_verifies_what_it_has_signed() {
    for algorithm in Algorithm::ALL {
        let token = signing_key(algorithm).sign(&json!({"sub": "bob"})).unwrap();
        let credentials = by(algorithm).read_connection(&token).unwrap();
        assert_eq!(credentials.user.as_str(), "bob", "{algorithm}");
    }
}

/// The examples of the RFCs, as far as they are for algorithms and claims that we take.
#[test]
fn vectors_of_the_rfcs() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
    super::crypto::install().unwrap();
    let (a2, a3) = (include_str!("vectors/rfc7515_a2.pem"), include_str!("vectors/rfc7515_a3.pem"));
    let a4 = include_str!("vectors/rfc8037_a4.pem");
    let cases = [
        (
            "RFC 7515 §A.1",
            jsonwebtoken::Algorithm::HS256,
            jsonwebtoken::DecodingKey::from_secret(&secret),
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{claims}"),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            "RFC 7515 §A.2",
            jsonwebtoken::Algorithm::RS256,
            Key::public(PublicAlgorithm::Rs256, a2).unwrap().decoding,
            format!("eyJhbGciOiJSUzI1NiJ9.{claims}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W\
             2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS\
             jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv\
             Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            "RFC 7515 §A.3",
            jsonwebtoken::Algorithm::ES256,
            Key::public(PublicAlgorithm::Es256, a3).unwrap().decoding,
            format!("eyJhbGciOiJFUzI1NiJ9.{claims}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            "RFC 8037 §A.4",
            jsonwebtoken::Algorithm::EdDSA,
            Key::public(PublicAlgorithm::EdDsa, a4).unwrap().decoding,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (vector, algorithm, key, message, signature) in cases {
        let verified = |message: &str| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap()
        };
        assert!(verified(&message), "{vector}");
        assert!(!verified(&format!("{message}x")), "{vector}");
    }
}

#[test]
fn what_a_connection_token_says() {
    let token = token(&json!({
        "sub": "ann",
        "exp": TODAY + 60,
        "info": {"name": "Ann", "age": 7},
        "channels": ["not this one"],
        "subs": {
            "news": {},
            "chat:1": {
                "info": {"role": "owner"},
                "b64data": "AAEC",
                "override": {"presence": {"value": false}, "force_recovery": {"value": true}},
            },
        },
        "meta": {"anything": 1},
        "unknown": [],
    }));
    let credentials = hs256().read_connection(&token).unwrap();
    assert_eq!(credentials.user.as_str(), "ann");
    // As it was written, but for the order that `json!` gives it.
    assert_eq!(credentials.info, Some(Data::Json("{\"age\":7,\"name\":\"Ann\"}".into())));
    assert_eq!(credentials.meta, Some(Data::Json("{\"anything\":1}".into())));
    assert_eq!(credentials.expires_at, Some(Timestamp::from_millis(67_000)));
    let [chat, news] = &credentials.channels[..] else { panic!("{credentials:?}") };
    assert_eq!((&*chat.channel, &*news.channel), ("chat:1", "news"));
    assert_eq!(chat.info, Some(Data::Json("{\"role\":\"owner\"}".into())));
    assert_eq!(chat.data, Some(Data::Binary(vec![0, 1, 2].into())));
    assert_eq!((chat.presence, chat.force_recovery), (Some(false), Some(true)));
    assert_eq!((chat.join_leave, news.presence, news.info.clone()), (None, None, None));
}

#[test]
fn what_a_subscription_token_overrides() {
    let grant = |claims: Value| {
        let mut all = json!({"sub": "ann", "channel": "news"});
        all["override"] = claims;
        let (user, client) = (UserId::new("ann"), ClientId::new("c"));
        hs256().read_subscription(&token(&all), "news", &user, &client)
    };
    let news = || SubscriptionGrant { channel: "news".into(), ..SubscriptionGrant::default() };
    let (on, off) = (json!({"value": true}), json!({"value": false}));
    let cases = [
        ("nothing", json!(null), news()),
        ("nothing in particular", json!({}), news()),
        ("an option that we do not know", json!({"force_peace": on}), news()),
        ("one that is null", json!({"presence": null}), news()),
        (
            "all of them",
            json!({
                "presence": on,
                "join_leave": off,
                "force_push_join_leave": on,
                "force_recovery": off,
                "force_positioning": on,
            }),
            SubscriptionGrant {
                presence: Some(true),
                join_leave: Some(false),
                force_join_leave: Some(true),
                force_recovery: Some(false),
                force_positioning: Some(true),
                ..news()
            },
        ),
        (
            "off, as zero may be left out",
            json!({"presence": {}}),
            SubscriptionGrant { presence: Some(false), ..news() },
        ),
    ];
    for (rule, claims, expected) in cases {
        assert_eq!(grant(claims).unwrap(), expected, "{rule}");
    }
    for wrong in
        [json!(true), json!([]), json!({"presence": true}), json!({"presence": {"value": 1}})]
    {
        assert_eq!(grant(wrong.clone()), Err(Refused::Claims), "{wrong}");
    }
}

#[test]
fn when_a_session_ends() {
    let cases: &[(&str, Value, Option<u64>)] = &[
        ("with its token", json!({"exp": TODAY + 60}), Some(67_000)),
        ("another time", json!({"exp": TODAY + 60, "expire_at": TODAY + 9}), Some(16_000)),
        ("with no exp", json!({"expire_at": TODAY + 9}), Some(16_000)),
        ("never, though the token does", json!({"exp": TODAY + 60, "expire_at": 0}), None),
        ("never", json!({}), None),
        ("at once: within the leeway", json!({"exp": TODAY - 1}), Some(7_000)),
    ];
    for (rule, claims, expected) in cases {
        let credentials = hs256().read_connection(&token(claims)).unwrap();
        assert_eq!(credentials.expires_at, expected.map(Timestamp::from_millis), "{rule}");
    }
}

#[test]
fn claims_by_rule() {
    let rules = || TokenRules::new(vec![key(Algorithm::Hmac(HS256))]).unwrap();
    let ours = rules().issuer("app").audience("tidewire");
    let good = json!({"sub": "ann", "iss": "app", "aud": "tidewire", "exp": TODAY + 60});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let cases: &[(&str, Value, Result<(), Refused>)] = &[
        ("all is well", good.clone(), Ok(())),
        ("anonymous", with("sub", json!("")), Ok(())),
        ("nobody named", with("sub", json!(null)), Ok(())),
        ("§4.1.4 the last moment", with("exp", json!(TODAY - 4)), Ok(())),
        ("§4.1.4 on the time", with("exp", json!(TODAY - 5)), Err(Refused::Expired)),
        ("§4.1.4 long ago", with("exp", json!(1)), Err(Refused::Expired)),
        ("§4.1.4 before 1970", with("exp", json!(-1)), Err(Refused::Expired)),
        ("§4.1.4 never", with("exp", json!(1e300)), Ok(())),
        ("§4.1.4 with a fraction", with("exp", json!(1.5)), Err(Refused::Expired)),
        ("§4.1.4 text", with("exp", json!("2030-01-01")), Err(Refused::Claims)),
        ("§4.1.4 a number as text", with("exp", json!("4102444800")), Err(Refused::Claims)),
        ("§4.1.5 at the leeway", with("nbf", json!(TODAY + 5)), Ok(())),
        ("§4.1.5 beyond", with("nbf", json!(TODAY + 6)), Err(Refused::NotYet)),
        ("§4.1.5 a list", with("nbf", json!([1])), Err(Refused::Claims)),
        ("§4.1.1 another issuer", with("iss", json!("App")), Err(Refused::Issuer)),
        ("§4.1.1 ours and more", with("iss", json!("app.evil")), Err(Refused::Issuer)),
        ("§4.1.1 none", with("iss", json!(null)), Err(Refused::Issuer)),
        ("§4.1.1 a number", with("iss", json!(7)), Err(Refused::Claims)),
        ("§4.1.3 one of several", with("aud", json!(["x", "tidewire"])), Ok(())),
        ("§4.1.3 somebody else", with("aud", json!("x")), Err(Refused::Audience)),
        ("§4.1.3 others", with("aud", json!(["x", "y"])), Err(Refused::Audience)),
        ("§4.1.3 nobody", with("aud", json!(null)), Err(Refused::Audience)),
        ("§4.1.3 an empty list", with("aud", json!([])), Err(Refused::Audience)),
        ("§4.1.3 an object", with("aud", json!({})), Err(Refused::Claims)),
        ("§4.1.2 a number", with("sub", json!(42)), Err(Refused::Claims)),
        ("no list of channels", with("channels", json!("news")), Err(Refused::Claims)),
        ("a channel that is a number", with("channels", json!([1])), Err(Refused::Claims)),
        ("no map of subscriptions", with("subs", json!([])), Err(Refused::Claims)),
        ("no base64", with("b64info", json!("&&")), Err(Refused::Claims)),
        ("a subscription token", with("channel", json!("news")), Err(Refused::Kind)),
    ];
    for (rule, claims, expected) in cases {
        let result = verifier(ours.clone()).read_connection(&token(claims)).map(|_| ());
        assert_eq!(result, *expected, "{rule}");
    }
    // Where no audience is configured, a token for a named one is not for us.
    let named = token(&json!({"aud": "tidewire"}));
    assert_eq!(verifier(rules()).read_connection(&named), Err(Refused::Audience));
}

#[test]
fn tokens_that_are_none() {
    let header = br#"{"alg":"HS256"}"#;
    let good = raw_token(header, b"{}");
    let parts: Vec<_> = good.split('.').collect();
    let cases: &[(&str, String, Refused)] = &[
        ("nothing", String::new(), Refused::Malformed),
        ("a dot", ".".to_owned(), Refused::Malformed),
        ("two dots", "..".to_owned(), Refused::Malformed),
        ("no signature", format!("{}.{}", parts[0], parts[1]), Refused::Malformed),
        ("an empty signature", format!("{}.{}.", parts[0], parts[1]), Refused::Signature),
        ("an empty header", format!(".{}.{}", parts[1], parts[2]), Refused::Malformed),
        ("empty claims", format!("{}..{}", parts[0], parts[2]), Refused::Signature),
        ("a fourth part", format!("{good}.x"), Refused::Malformed),
        ("padding", format!("{}=.{}.{}", parts[0], parts[1], parts[2]), Refused::Malformed),
        ("a space", format!("{good} "), Refused::Malformed),
        ("a newline", good.replace('.', ".\n"), Refused::Malformed),
        ("not base64url", "+/+.e30.AAAA".to_owned(), Refused::Malformed),
        ("not ASCII", "é.é.é".to_owned(), Refused::Malformed),
        ("a header that is no JSON", raw_token(b"HS256", b"{}"), Refused::Malformed),
        ("a header that is a list", raw_token(b"[]", b"{}"), Refused::Malformed),
        ("no algorithm", raw_token(b"{}", b"{}"), Refused::Malformed),
        ("a number for it", raw_token(br#"{"alg":256}"#, b"{}"), Refused::Malformed),
        ("two of them", raw_token(br#"{"alg":"HS256","alg":"none"}"#, b"{}"), Refused::Malformed),
        (
            "a kid that is a list",
            raw_token(br#"{"alg":"HS256","kid":[]}"#, b"{}"),
            Refused::Malformed,
        ),
        (
            "not UTF-8 in its header",
            raw_token(b"{\"alg\":\"HS256\xFF\"}", b"{}"),
            Refused::Malformed,
        ),
        ("not UTF-8 in its claims", raw_token(header, b"{\"sub\":\"\xFF\"}"), Refused::Claims),
        ("claims that are no JSON", raw_token(header, b"{"), Refused::Claims),
        ("claims that are a list", raw_token(header, b"[]"), Refused::Claims),
        ("claims that are null", raw_token(header, b"null"), Refused::Claims),
        (
            "claims with two subjects",
            raw_token(header, br#"{"sub":"a","sub":"b"}"#),
            Refused::Claims,
        ),
        ("claims too deep", raw_token(header, "[".repeat(4000).as_bytes()), Refused::Claims),
        (
            "RFC 7515 §4.1.11",
            raw_token(br#"{"alg":"HS256","crit":["exp"]}"#, b"{}"),
            Refused::Critical,
        ),
    ];
    assert_eq!(hs256().read_connection(&good).map(|_| ()), Ok(()));
    for (rule, token, expected) in cases {
        assert_eq!(hs256().read_connection(token), Err(*expected), "{rule}");
    }
    for cut in 0..good.len() {
        hs256().read_connection(&good[..cut]).expect_err("cut short");
    }
}

#[test]
fn s2_no_key_is_taken_for_another() {
    let rs256 = Algorithm::Public(PublicAlgorithm::Rs256);
    // The classic: an HMAC whose secret is the public key, which everybody knows.
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, RSA.as_bytes());
    let message =
        ["{\"alg\":\"HS256\"}", "{\"sub\":\"root\"}"].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = message.join(".");
    let signature = ring::hmac::sign(&hmac, message.as_bytes());
    let confused = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    // And a key that the token brings along.
    let brought = br#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"},"jku":"http://evil/","x5u":"http://evil/"}"#;
    let cases: &[(&str, Algorithm, String, Refused)] = &[
        ("S2 HMAC by a public key", rs256, confused.clone(), Refused::Algorithm),
        ("S2 none", rs256, raw_token(br#"{"alg":"none"}"#, b"{}"), Refused::Algorithm),
        ("S2 None", rs256, raw_token(br#"{"alg":"None"}"#, b"{}"), Refused::Algorithm),
        ("S2 no name at all", rs256, raw_token(br#"{"alg":""}"#, b"{}"), Refused::Algorithm),
        (
            "S2 a sibling: PS256",
            rs256,
            signing_key("PS256".parse().unwrap()).sign(&json!({})).unwrap(),
            Refused::Algorithm,
        ),
        ("S2 the other secret", Algorithm::Hmac(HS256), confused, Refused::Signature),
        ("S1 a key of its own", rs256, raw_token(brought, b"{}"), Refused::Algorithm),
    ];
    for (rule, algorithm, token, expected) in cases {
        assert_eq!(by(*algorithm).read_connection(token), Err(*expected), "{rule}");
    }
    // With both kinds of keys there, each still verifies its own alone.
    let both = TokenRules::new(vec![key(rs256), key(Algorithm::Hmac(HS256))]).unwrap();
    let confused = &cases[0].2;
    assert_eq!(verifier(both).read_connection(confused), Err(Refused::Signature));
    // Nobody can even configure it.
    let misused = Key::hmac(HS256, &Secret::new(RSA));
    assert_eq!(misused.unwrap_err(), KeyError::SecretIsPem);
}

/// S1: what a token says is not looked at, and nothing is fetched, before its signature was right.
#[test]
fn s1_signatures_come_first() {
    let stranger = SigningKey::hmac(HS256, &Secret::new(OTHER_SECRET)).unwrap();
    for claims in [json!({"exp": 1}), json!({"iss": "evil"}), json!({"sub": 1}), json!([])] {
        let token = stranger.sign(&claims).unwrap();
        assert_eq!(hs256().read_connection(&token), Err(Refused::Signature), "{claims}");
    }
}

/// Rule, keys, token, what comes of it.
type Case<'a> = (&'a str, Vec<Key>, &'a str, Result<(), Refused>);

#[test]
fn keys_are_changed_without_a_gap() {
    let hmac = |secret: &str| Key::hmac(HS256, &Secret::new(secret)).unwrap();
    let signing = |secret: &str| SigningKey::hmac(HS256, &Secret::new(secret)).unwrap();
    let (old, new) = (hmac(SECRET).named("old"), hmac(OTHER_SECRET).named("new"));
    let claims = json!({"sub": "ann"});
    let sign = |key: SigningKey| key.sign(&claims).unwrap();
    let by_old = sign(signing(SECRET).named("old"));
    let by_new = sign(signing(OTHER_SECRET).named("new"));
    let nameless = sign(signing(OTHER_SECRET));
    let mistaken = sign(signing(OTHER_SECRET).named("old"));
    let unknown = sign(signing(SECRET).named("x"));
    let cases: &[Case<'_>] = &[
        ("both: the old one", vec![old.clone(), new.clone()], &by_old, Ok(())),
        ("both: the new one", vec![old.clone(), new.clone()], &by_new, Ok(())),
        ("both: a token that names none", vec![old.clone(), new.clone()], &nameless, Ok(())),
        ("the old one is gone", vec![new.clone()], &by_old, Err(Refused::Kid)),
        (
            "one key under another's name",
            vec![old.clone(), new],
            &mistaken,
            Err(Refused::Signature),
        ),
        ("a name that nobody has", vec![old.clone()], &unknown, Err(Refused::Kid)),
        ("a key without a name takes any", vec![hmac(SECRET)], &unknown, Ok(())),
        ("no keys", vec![], &by_old, Err(Refused::NoKeys)),
    ];
    for (rule, keys, token, expected) in cases {
        let rules = TokenRules::new(keys.clone()).unwrap();
        assert_eq!(verifier(rules).read_connection(token).map(|_| ()), *expected, "{rule}");
    }
    let many = |count| TokenRules::new(vec![old.clone(); count]).map(|_| ());
    assert_eq!(many(TokenRules::KEY_COUNT_MAX), Ok(()));
    assert_eq!(many(TokenRules::KEY_COUNT_MAX + 1), Err(TooManyKeys));
}

#[test]
fn what_is_no_key() {
    use PublicAlgorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
    let short = |algorithm: HmacAlgorithm, len: usize| {
        Key::hmac(algorithm, &Secret::new(&"x".repeat(len))).map(|_| ())
    };
    for algorithm in [HS256, HmacAlgorithm::Hs384, HmacAlgorithm::Hs512] {
        let least = algorithm.secret_len_min();
        assert_eq!(short(algorithm, least), Ok(()));
        let error = KeyError::SecretTooShort { algorithm, len: least - 1 };
        assert_eq!(short(algorithm, least - 1), Err(error));
    }
    let other = |algorithm, there| KeyError::OtherKind { algorithm, there };
    let (p521, small) = (include_str!("vectors/p521.pem"), include_str!("vectors/rsa1024.pem"));
    let cut = RSA.replace("AQAB", "");
    let public: &[(&str, PublicAlgorithm, &str, KeyError)] = &[
        ("RSA for P-256", Es256, RSA, other(Es256, Some("RSA"))),
        ("P-256 for RSA", Rs256, P256, other(Rs256, Some("P-256"))),
        ("P-256 for P-384", Es384, P256, other(Es384, Some("P-256"))),
        ("Ed25519 for RSA", Ps256, ED, other(Ps256, Some("Ed25519"))),
        ("P-384 for Ed25519", EdDsa, P384, other(EdDsa, Some("P-384"))),
        ("a curve we do not know", Es256, p521, other(Es256, None)),
        ("1024 bits", Rs256, small, KeyError::ModulusLen { bits: 1024 }),
        ("a private key", Rs256, include_str!("vectors/rsa.key"), KeyError::Private),
        ("a private key of RSA", Rs256, include_str!("vectors/rsa_pkcs1.key"), KeyError::Private),
        ("no PEM", Rs256, "secret", KeyError::NotPublicKey),
        ("nothing", Rs256, "", KeyError::NotPublicKey),
        ("a piece of one", Rs256, &cut, KeyError::NotPublicKey),
    ];
    for (rule, algorithm, pem, expected) in public {
        assert_eq!(Key::public(*algorithm, pem).unwrap_err(), *expected, "{rule}");
    }
    let private: &[(&str, PublicAlgorithm, &str, Option<KeyError>)] = &[
        ("PKCS #1", Rs256, include_str!("vectors/rsa_pkcs1.key"), None),
        ("SEC 1", Es256, include_str!("vectors/p256_sec1.key"), Some(KeyError::NotPkcs8)),
        ("P-256 for P-384", Es384, include_str!("vectors/p256.key"), Some(other(Es384, None))),
        ("RSA for Ed25519", EdDsa, include_str!("vectors/rsa.key"), Some(other(EdDsa, None))),
        ("a public key", Rs256, RSA, Some(KeyError::NotPrivateKey)),
        ("no PEM", Rs256, "secret", Some(KeyError::NotPrivateKey)),
    ];
    for (rule, algorithm, pem, expected) in private {
        assert_eq!(SigningKey::private(*algorithm, pem).err(), *expected, "{rule}");
    }
}

/// S12: neither keys nor what holds them show anything.
#[test]
fn s12_keys_are_not_shown() {
    let key = key(Algorithm::Hmac(HS256)).named("a");
    let signing = signing_key(Algorithm::Hmac(HS256));
    let rules = TokenRules::new(vec![key.clone()]).unwrap();
    let shown = format!("{key:?} {signing:?} {rules:?} {:?}", verifier(rules.clone()));
    assert!(!shown.contains("secret") && !shown.contains("[97, "), "{shown}");
}

#[test]
fn subscription_tokens_by_rule() {
    let good = json!({"sub": "ann", "channel": "news", "exp": TODAY + 60, "info": 1});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let cases: &[(&str, Value, Result<(), Refused>)] = &[
        ("all is well", good.clone(), Ok(())),
        ("for this client", with("client", json!("c1")), Ok(())),
        ("for no client", with("client", json!("")), Ok(())),
        ("for another client", with("client", json!("c2")), Err(Refused::Client)),
        ("for another channel", with("channel", json!("new")), Err(Refused::Channel)),
        ("for another user", with("sub", json!("bob")), Err(Refused::User)),
        ("for nobody", with("sub", json!(null)), Err(Refused::User)),
        ("for no channel", with("channel", json!(null)), Err(Refused::Kind)),
        ("for an empty channel", with("channel", json!("")), Err(Refused::Kind)),
        ("too late", with("exp", json!(TODAY - 60)), Err(Refused::Expired)),
        (
            "a switch that is none",
            with("override", json!({"presence": true})),
            Err(Refused::Claims),
        ),
    ];
    let (ann, c1) = (UserId::new("ann"), ClientId::new("c1"));
    for (rule, claims, expected) in cases {
        let grant = hs256().read_subscription(&token(claims), "news", &ann, &c1);
        assert_eq!(grant.map(|_| ()), *expected, "{rule}");
    }
    let grant = hs256().read_subscription(&token(&good), "news", &ann, &c1).unwrap();
    assert_eq!(grant.info, Some(Data::Json("1".into())));
    assert_eq!(grant.expires_at, Some(Timestamp::from_millis(67_000)));
}

/// S3: a token for one channel, user and client is not remembered as one for others.
#[test]
fn s3_what_is_remembered_is_for_its_holder() {
    let mut verifier = hs256();
    let news = token(&json!({"sub": "ann", "channel": "news", "client": "c1"}));
    let (ann, bob) = (UserId::new("ann"), UserId::new("bob"));
    let (c1, c2) = (ClientId::new("c1"), ClientId::new("c2"));
    let mut read = |channel, user, client| verifier.read_subscription(&news, channel, user, client);
    assert!(read("news", &ann, &c1).is_ok());
    assert_eq!(read("news", &bob, &c1), Err(Refused::User));
    assert_eq!(read("news", &ann, &c2), Err(Refused::Client));
    assert_eq!(read("chat", &ann, &c1), Err(Refused::Channel));
    // Nor is it one for a connection, now or later.
    assert_eq!(verifier.read_connection(&news), Err(Refused::Kind));
    assert_eq!(verifier.read_connection(&news), Err(Refused::Kind));
    assert_eq!(verifier.hits_and_misses(), (3, 3));
}

#[test]
fn a_storm_costs_no_signatures() {
    let mut verifier = hs256();
    let token = token(&json!({"sub": "ann", "exp": TODAY + 60}));
    for _ in 0..100 {
        verifier.read_connection(&token).unwrap();
    }
    assert_eq!(verifier.hits_and_misses(), (99, 1));
    // Until it expires, which the memory does not change.
    verifier.set_now(at(TODAY + 64));
    assert!(verifier.read_connection(&token).is_ok());
    verifier.set_now(at(TODAY + 65));
    assert_eq!(verifier.read_connection(&token), Err(Refused::Expired));
    assert_eq!(verifier.remembered(), 0);
    // And what the client hears of it.
    assert_eq!(verifier.connection(&token), Err(TokenError::Expired));
    assert_eq!(verifier.connection("x"), Err(TokenError::Invalid));
    let news = ChannelName::new("news").unwrap();
    let heard = verifier.subscription("x", &news, &UserId::default(), &ClientId::new("c"));
    assert_eq!(heard, Err(TokenError::Invalid));
    let refused: Vec<_> = verifier.refused().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [(Refused::Malformed, 2), (Refused::Expired, 2)]);
}

#[test]
fn limits_at_and_beyond() {
    let limits = |limits: TokenLimits| {
        verifier(TokenRules::new(vec![key(Algorithm::Hmac(HS256))]).unwrap().limits(limits))
    };
    let any = token(&json!({"sub": "ann"}));
    let of_len = |token_len_max| limits(TokenLimits { token_len_max, ..TokenLimits::default() });
    assert!(of_len(any.len()).read_connection(&any).is_ok());
    assert_eq!(of_len(any.len() - 1).read_connection(&any), Err(Refused::TooLong));

    let mut three = limits(TokenLimits { channel_count_max: 3, ..TokenLimits::default() });
    for (claims, expected) in [
        (json!({"channels": ["a", "b", "c"]}), Ok(())),
        (json!({"channels": ["a", "b", "c", "d"]}), Err(Refused::Channels)),
        (json!({"subs": {"a": {}, "b": {}, "c": {}}}), Ok(())),
        (json!({"subs": {"a": {}, "b": {}, "c": {}, "d": {}}}), Err(Refused::Channels)),
    ] {
        assert_eq!(three.read_connection(&token(&claims)).map(|_| ()), expected, "{claims}");
    }

    let mut small = limits(TokenLimits { cache_count_max: 8, ..TokenLimits::default() });
    for user in 0..20 {
        small.read_connection(&token(&json!({"sub": user.to_string()}))).unwrap();
        assert!(small.remembered() <= 4, "half of it is for subscriptions");
    }

    let none = TokenLimits { leeway: Duration::ZERO, ..TokenLimits::default() };
    let just_over = token(&json!({"exp": TODAY}));
    assert_eq!(limits(none).read_connection(&just_over), Err(Refused::Expired));
}
