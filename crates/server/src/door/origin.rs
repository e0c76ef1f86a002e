//! [`AllowedOrigins`]: which pages may use us (RFC 6454, RFC 6455 §10.2), and what they are told of it (CORS).

use std::{fmt, str::FromStr};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ORIGIN,
        VARY,
    },
};
use tidewire::proto::{
    handshake::Origin,
    uri::{Authority, Host, Scheme},
};

/// Which pages may use us, by whatever transport. Without a check any page could, with its visitor's
/// cookies: Cross-Site WebSocket Hijacking.
///
/// A request that does not come from a page of a browser is none of this one's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowedOrigins {
    /// Pages from the host and port that the request was sent to. The default.
    #[default]
    Same,
    /// Those that one of these matches, and no other.
    List(Vec<OriginPattern>),
    /// All of them, also those without an origin of their own (`null`). They are strangers: their
    /// visitors' cookies do not count.
    Any,
}

/// One origin, or many: `https://example.com`, `https://*.example.com` for its subdomains,
/// `http://localhost:*` for any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    origin: Origin,
    subdomains: bool,
    any_port: bool,
}

/// A request as far as it tells which page sent it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks makes it")]
pub struct Asked<'r> {
    /// All its headers.
    pub headers: &'r HeaderMap,
    /// The host that it was sent to.
    pub host: &'r Authority,
    /// The scheme, where it is known: because TLS ends here, or because a trusted proxy has told.
    pub scheme: Option<Scheme>,
}

/// The page that sent a request, or that none did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    origin: Option<HeaderValue>,
    trusted: bool,
}

impl AllowedOrigins {
    /// From a list as it is configured: nothing in it is [`Same`](Self::Same), `*` is [`Any`](Self::Any).
    ///
    /// # Errors
    /// With the first that is no pattern.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPattern> {
        let mut patterns = Vec::new();
        for text in list {
            if text == "*" {
                return Ok(Self::Any);
            }
            patterns.push(text.parse()?);
        }
        Ok(if patterns.is_empty() { Self::Same } else { Self::List(patterns) })
    }

    /// A stable name of the setting: `same`, `list`, `any`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::List(_) => "list",
            Self::Any => "any",
        }
    }

    /// Which page sent the request, if it may.
    ///
    /// # Errors
    /// If it may not.
    pub fn check(&self, asked: Asked<'_>) -> Result<Page, OriginRefused> {
        let mut origins = asked.headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => self.check_without_origin(asked),
            (Some(origin), None) => self.check_origin(origin, asked),
            (Some(_), Some(_)) => Err(self.refused("several of them".into(), asked)),
        }
    }

    fn check_origin(&self, value: &HeaderValue, asked: Asked<'_>) -> Result<Page, OriginRefused> {
        let origin: Option<Origin> = value.to_str().ok().and_then(|text| text.parse().ok());
        let is_same =
            || origin.as_ref().is_some_and(|origin| origin.is_same_host(asked.host, asked.scheme));
        let (allowed, trusted) = match self {
            Self::Any => (true, is_same()),
            Self::Same => (is_same(), true),
            Self::List(list) => {
                let matches = |origin| list.iter().any(|pattern| pattern.matches(origin));
                (origin.as_ref().is_some_and(matches), true)
            }
        };
        if !allowed {
            return Err(self.refused(String::from_utf8_lossy(value.as_bytes()).into(), asked));
        }
        Ok(Page { origin: Some(value.clone()), trusted })
    }

    /// Browsers leave Origin out where a page of ours gets something, and where a page of a stranger
    /// shows an image or a frame from here. Sec-Fetch-Site tells the two apart (W3C Fetch Metadata §2.3);
    /// who sends neither is no browser, or a very old one.
    fn check_without_origin(&self, asked: Asked<'_>) -> Result<Page, OriginRefused> {
        let site = asked.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let trusted = matches!(site, None | Some(b"same-origin" | b"none"));
        if !trusted && *self != Self::Any {
            return Err(self.refused("one that is not told".into(), asked));
        }
        Ok(Page { origin: None, trusted })
    }

    fn refused(&self, origin: Box<str>, asked: Asked<'_>) -> OriginRefused {
        OriginRefused { origin, host: asked.host.to_string().into(), policy: self.name() }
    }
}

impl Page {
    /// Whether the visitor's cookies speak for the page: strangers have them sent too.
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// What every response has to say, refusals too, so that the page may read it.
    pub fn cors_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        // A cache must not give one page the answer for another.
        let mut headers = vec![(VARY, HeaderValue::from_static("Origin"))];
        match &self.origin {
            Some(origin) if self.trusted => headers.extend([
                (ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
            ]),
            Some(_) => headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))),
            None => {}
        }
        headers
    }

    /// What a preflight request is told (`OPTIONS` with Access-Control-Request-Method).
    pub fn preflight_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = self.cors_headers();
        if self.origin.is_some() {
            headers.extend([
                (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
                (
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    HeaderValue::from_static("authorization, content-type"),
                ),
                // Ten minutes: after a change of the configuration, that long.
                (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
            ]);
        }
        headers
    }
}

impl OriginPattern {
    fn matches(&self, origin: &Origin) -> bool {
        let (Some((scheme, wanted)), Some((its_scheme, its))) =
            (self.origin.tuple(), origin.tuple())
        else {
            return self.origin == *origin; // `null`, where that is on the list
        };
        let host = match (wanted.host(), its.host()) {
            (Host::Name(wanted), Host::Name(its)) if self.subdomains => its
                .strip_suffix(&**wanted)
                .is_some_and(|front| front.len() > 1 && front.ends_with('.')),
            (wanted, its) => wanted == its,
        };
        scheme == its_scheme && host && (self.any_port || wanted.port() == its.port())
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(text.into());
        let (rest, any_port) = match text.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (plain, subdomains) = match rest.split_once("://*.") {
            Some((scheme, host)) => (format!("{scheme}://{host}"), true),
            None => (rest.to_owned(), false),
        };
        if plain.contains('*') {
            return Err(invalid());
        }
        let origin: Origin = plain.parse().map_err(|_| invalid())?;
        if subdomains {
            // All of `.com` are not one person's.
            match origin.tuple().map(|(_, authority)| authority.host()) {
                Some(Host::Name(name)) if name.contains('.') || name == "localhost" => {}
                _ => return Err(invalid()),
            }
        }
        Ok(Self { origin, subdomains, any_port })
    }
}

/// Not a pattern of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPattern(Box<str>);

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no origin: write https://example.com, https://*.example.com, http://localhost:* or *, \
             without a path",
            self.0
        )
    }
}

impl std::error::Error for InvalidPattern {}

/// A page that may not use us. `Display` is the sentence for the log; the peer hears nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRefused {
    origin: Box<str>,
    host: Box<str>,
    policy: &'static str,
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, host, policy } = self;
        write!(f, "the Origin {origin:?} may not use the host {host:?} under the setting ")?;
        write!(f, "allowed_origins = {policy} (RFC 6455 §10.2)")
    }
}

impl std::error::Error for OriginRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &[&str], headers: &[(&'static str, &str)]) -> Result<Page, OriginRefused> {
        let host: Authority = "chat.example.com".parse().unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let policy = AllowedOrigins::parse(policy.iter().copied()).unwrap();
        policy.check(Asked { headers: &headers, host: &host, scheme: None })
    }

    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'static str, &'a str)], Option<bool>);

    #[test]
    fn h15_s10_origins_by_rule() {
        let site = "sec-fetch-site";
        // rule, policy, headers, allowed and trusted with cookies
        let cases: &[Case<'_>] = &[
            ("H15 no browser", &[], &[], Some(true)),
            ("H15 same host", &[], &[("origin", "https://chat.example.com")], Some(true)),
            ("H15 another host", &[], &[("origin", "https://example.com")], None),
            ("H15 null", &[], &[("origin", "null")], None),
            ("H15 nonsense", &[], &[("origin", "chat.example.com")], None),
            ("S10 a page of ours that gets", &[], &[(site, "same-origin")], Some(true)),
            ("S10 typed by hand", &[], &[(site, "none")], Some(true)),
            ("S10 an image at a stranger's", &[], &[(site, "cross-site")], None),
            ("S10 a sibling's frame", &[], &[(site, "same-site")], None),
            ("S10 a value of tomorrow", &[], &[(site, "x")], None),
            ("listed", &["https://a.org"], &[("origin", "https://a.org")], Some(true)),
            (
                "listed, by its port",
                &["https://a.org"],
                &[("origin", "https://A.org:443")],
                Some(true),
            ),
            ("another scheme", &["https://a.org"], &[("origin", "http://a.org")], None),
            ("another port", &["https://a.org"], &[("origin", "https://a.org:8443")], None),
            ("a subdomain", &["https://a.org"], &[("origin", "https://b.a.org")], None),
            (
                "a list is all of it",
                &["https://a.org"],
                &[("origin", "https://chat.example.com")],
                None,
            ),
            (
                "the second",
                &["https://a.org", "https://b.org"],
                &[("origin", "https://b.org")],
                Some(true),
            ),
            ("*. a subdomain", &["https://*.a.org"], &[("origin", "https://b.a.org")], Some(true)),
            ("*. deeper", &["https://*.a.org"], &[("origin", "https://c.b.a.org")], Some(true)),
            ("*. itself", &["https://*.a.org"], &[("origin", "https://a.org")], None),
            ("*. no dot", &["https://*.a.org"], &[("origin", "https://evil-a.org")], None),
            ("*. nothing before it", &["https://*.a.org"], &[("origin", "https://.a.org")], None),
            ("*. behind it", &["https://*.a.org"], &[("origin", "https://b.a.org.evil.com")], None),
            (
                "*. with another port",
                &["https://*.a.org"],
                &[("origin", "https://b.a.org:1")],
                None,
            ),
            (
                ":* any port",
                &["http://localhost:*"],
                &[("origin", "http://localhost:5173")],
                Some(true),
            ),
            (
                ":* the default one",
                &["http://localhost:*"],
                &[("origin", "http://localhost")],
                Some(true),
            ),
            (":* another host", &["http://localhost:*"], &[("origin", "http://localhos:1")], None),
            ("null, listed", &["null"], &[("origin", "null")], Some(true)),
            ("any, a stranger", &["*"], &[("origin", "https://evil.org")], Some(false)),
            ("any, null", &["*"], &[("origin", "null")], Some(false)),
            ("any, ours", &["*"], &[("origin", "http://chat.example.com")], Some(true)),
            ("S10 any, an image", &["*"], &[(site, "cross-site")], Some(false)),
        ];
        for (rule, policy, headers, expected) in cases {
            let trusted = ask(policy, headers).ok().map(|page| page.is_trusted());
            assert_eq!(trusted, *expected, "{rule}");
        }
    }

    #[test]
    fn several_origins_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, HeaderValue::from_static("http://a"));
        headers.append(ORIGIN, HeaderValue::from_static("http://a"));
        let host: Authority = "a".parse().unwrap();
        let asked = Asked { headers: &headers, host: &host, scheme: None };
        AllowedOrigins::Same.check(asked).unwrap_err();
        AllowedOrigins::Any.check(asked).unwrap_err();
    }

    #[test]
    fn the_scheme_counts_where_it_is_known() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, HeaderValue::from_static("http://a"));
        let host: Authority = "a".parse().unwrap();
        for (scheme, allowed) in
            [(None, true), (Some(Scheme::Ws), true), (Some(Scheme::Wss), false)]
        {
            let asked = Asked { headers: &headers, host: &host, scheme };
            assert_eq!(AllowedOrigins::Same.check(asked).is_ok(), allowed, "{scheme:?}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let cases = [
            "",
            "example.com",
            "https://",
            "https://a.org/",
            "https://*",
            "https://*.com",
            "https://a*.org",
            "https://*.*.org",
            "*://a.org",
            "https://a.org:*0",
            "https://*.127.0.0.1",
            "https://*.[::1]",
        ];
        for text in cases {
            text.parse::<OriginPattern>().expect_err(text);
        }
    }

    #[test]
    fn what_a_page_is_told() {
        let told = |policy: &[&str], headers: &[(&'static str, &str)]| {
            let page = ask(policy, headers).unwrap();
            let lines = page.cors_headers().into_iter();
            lines
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        let vary = "vary: Origin".to_owned();
        assert_eq!(told(&[], &[]), ["vary: Origin"]);
        let ours = told(&[], &[("origin", "https://chat.example.com")]);
        let allow = "access-control-allow-origin: https://chat.example.com";
        let with = "access-control-allow-credentials: true";
        assert_eq!(ours, [vary.clone(), allow.to_owned(), with.to_owned()]);
        // S10: a stranger's page never reads what its visitor's cookies have asked for.
        let stranger = told(&["*"], &[("origin", "https://evil.org")]);
        assert_eq!(stranger, [vary, "access-control-allow-origin: *".to_owned()]);
        let page = ask(&[], &[("origin", "https://chat.example.com")]).unwrap();
        assert_eq!(page.preflight_headers().len(), 6);
        assert_eq!(ask(&[], &[]).unwrap().preflight_headers().len(), 1);
    }

    #[test]
    fn the_log_names_both_and_the_setting() {
        let refused = ask(&[], &[("origin", "https://evil.org")]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the Origin \"https://evil.org\" may not use the host \"chat.example.com\" under the setting \
             allowed_origins = same (RFC 6455 §10.2)"
        );
    }
}
