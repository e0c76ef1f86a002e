//! [`Presented`]: where a request carries its token, or its ticket.

use std::fmt;

use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};

use super::secret::Secret;

/// The subprotocol by which a browser's WebSocket brings a token along, and all that is ever answered of it.
pub const BEARER: &str = "Bearer";

/// Where tokens may stand, beside the headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct TokenPlaces {
    /// The cookie that has it, if one may.
    pub cookie: Option<String>,
    /// Whether `?token=` is read: it ends up in the logs of every proxy.
    pub query: bool,
}

/// What a request shows of who sent it.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a new one wants to be redeemed")]
pub enum Presented {
    /// A token.
    Token(Secret),
    /// A ticket, for which a token was shown before.
    Ticket(Secret),
}

/// Why what a request shows cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "metrics count each")]
pub enum PresentedError {
    /// Different tokens in different places: which one counts would depend on who looks.
    Conflict,
    /// `Bearer` without a token, or the like.
    Malformed,
    /// `?token=` where that is not switched on.
    QueryToken,
}

impl Presented {
    /// Takes it out of a request: nothing behind the door sees a token, in whatever it logs or forwards.
    /// `Sec-WebSocket-Protocol` then offers `Bearer` alone, and is a list of tokens as RFC 6455 §4.1 wants.
    ///
    /// A cookie is sent along by browsers without being asked. It is read only if `cookies_count`, which
    /// is for whoever has looked at the Origin to say, and only where nothing else stands: what a program
    /// says on purpose wins. Of the other places at most one may be used, or all with the same token: of
    /// two, a proxy might check one and we the other.
    ///
    /// # Errors
    /// If it cannot be taken.
    pub fn take<B>(
        request: &mut Request<B>,
        places: &TokenPlaces,
        cookies_count: bool,
    ) -> Result<Option<Self>, PresentedError> {
        let headers = request.headers_mut();
        let subprotocol = take_subprotocol(headers)?;
        let authorization = take_authorization(headers)?;
        let (token, ticket) = take_query(request)?;
        if token.is_some() && !places.query {
            return Err(PresentedError::QueryToken);
        }
        let mut tokens = [subprotocol, authorization, token].into_iter().flatten();
        let first = tokens.next();
        if let Some(first) = &first
            && tokens.any(|other| other.expose() != first.expose())
        {
            return Err(PresentedError::Conflict);
        }
        match (first, ticket) {
            (Some(_), Some(_)) => Err(PresentedError::Conflict),
            (Some(token), None) => Ok(Some(Self::Token(token))),
            (None, Some(ticket)) => Ok(Some(Self::Ticket(ticket))),
            (None, None) => match places.cookie.as_ref().filter(|_| cookies_count) {
                Some(name) => Ok(cookie(request.headers(), name)?.map(Self::Token)),
                None => Ok(None),
            },
        }
    }
}

/// A target for logs: its path, and the names in its query without their values.
pub fn redacted(target: &Uri) -> String {
    let mut shown = target.path().to_owned();
    for (index, pair) in target.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        let name = pair.split('=').next().unwrap_or_default();
        shown.push(if index == 0 { '?' } else { '&' });
        // What has no name is all value.
        shown.push_str(if pair.contains('=') { name } else { "" });
        shown.push_str("=…");
    }
    shown
}

/// `Bearer, <token>` as browsers can write it, or `Bearer <token>` as others do.
fn take_subprotocol(headers: &mut HeaderMap) -> Result<Option<Secret>, PresentedError> {
    let lines: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
    let texts: Vec<_> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
    if texts.len() < lines.len() {
        return Ok(None); // no list of tokens: the handshake is refused for it
    }
    let mut offers = Vec::new();
    let mut token = None;
    let mut elements = texts.iter().flat_map(|line| line.split(',')).map(str::trim);
    while let Some(element) = elements.next() {
        let beside = element.strip_prefix(BEARER).filter(|rest| rest.starts_with(' '));
        let presented = match (element, beside) {
            (BEARER, _) => elements.next(),
            (_, Some(beside)) => Some(beside.trim()),
            _ => {
                offers.push(element);
                continue;
            }
        };
        if token.is_some() {
            return Err(PresentedError::Malformed);
        }
        token = Some(presented_token(presented)?);
        offers.push(BEARER);
    }
    if token.is_some() {
        let rest = HeaderValue::from_str(&offers.join(", "));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, rest.map_err(|_| PresentedError::Malformed)?);
    }
    Ok(token)
}

/// RFC 6750 §2.1. Another scheme is for somebody else, a proxy in front of us for instance.
fn take_authorization(headers: &mut HeaderMap) -> Result<Option<Secret>, PresentedError> {
    let mut token = None;
    for line in headers.get_all(AUTHORIZATION) {
        let text = line.to_str().map_err(|_| PresentedError::Malformed)?;
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        // RFC 9110 §11.1: the scheme is "a case-insensitive token".
        if scheme.eq_ignore_ascii_case(BEARER) {
            if token.is_some() {
                return Err(PresentedError::Malformed);
            }
            token = Some(presented_token(Some(rest.trim()))?);
        }
    }
    if token.is_some() {
        headers.remove(AUTHORIZATION);
    }
    Ok(token)
}

/// `?token=` and `?ticket=`, which are then not in the target any more.
fn take_query<B>(
    request: &mut Request<B>,
) -> Result<(Option<Secret>, Option<Secret>), PresentedError> {
    let (mut token, mut ticket) = (None, None);
    let mut rest = String::new();
    for pair in request.uri().query().into_iter().flat_map(|query| query.split('&')) {
        let place = match pair.split_once('=') {
            Some(("token", value)) => Some((&mut token, value)),
            Some(("ticket", value)) => Some((&mut ticket, value)),
            _ => None,
        };
        match place {
            Some((Some(_), _)) => return Err(PresentedError::Malformed),
            Some((place, value)) => *place = Some(presented_token(Some(value))?),
            None => {
                rest.push(if rest.is_empty() { '?' } else { '&' });
                rest.push_str(pair);
            }
        }
    }
    if token.is_some() || ticket.is_some() {
        let target = format!("{}{rest}", request.uri().path());
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|_| PresentedError::Malformed)?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| PresentedError::Malformed)?;
    }
    Ok((token, ticket))
}

/// A cookie by its name (RFC 6265 §5.4). Of two with one name, which comes first is the browser's business
/// and may be an intruder's doing from a sibling's domain: if they differ, neither counts.
fn cookie(headers: &HeaderMap, name: &str) -> Result<Option<Secret>, PresentedError> {
    let mut token: Option<Secret> = None;
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    for pair in lines.flat_map(|line| line.split(';')) {
        let Some((its_name, value)) = pair.trim().split_once('=') else { continue };
        if its_name != name || value.is_empty() {
            continue;
        }
        if token.as_ref().is_some_and(|token| token.expose() != value) {
            return Err(PresentedError::Conflict);
        }
        token = Some(presented_token(Some(value))?);
    }
    Ok(token)
}

/// Tokens and tickets are letters, digits and `-._~+/=` (RFC 6750 §2.1, `b64token`).
fn presented_token(text: Option<&str>) -> Result<Secret, PresentedError> {
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    match text {
        Some(text) if !text.is_empty() && text.bytes().all(is_b64token) => Ok(Secret::new(text)),
        _ => Err(PresentedError::Malformed),
    }
}

impl PresentedError {
    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conflict => "token_conflict",
            Self::Malformed => "token_malformed",
            Self::QueryToken => "token_in_query",
        }
    }

    /// What the client is told.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Conflict => "The request carries different tokens in different places.",
            Self::Malformed => "The request carries something that is no token where one belongs.",
            Self::QueryToken => {
                "Tokens are not taken from the query here; POST /connection/ticket gives a ticket."
            }
        }
    }
}

impl fmt::Display for PresentedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for PresentedError {}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL: &str = "sec-websocket-protocol";

    /// What was presented, and the request as it is passed on.
    fn take(
        target: &str,
        headers: &[(&str, &str)],
        places: &TokenPlaces,
        cookies_count: bool,
    ) -> (Result<Option<String>, PresentedError>, Request<()>) {
        let mut request = Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let taken = Presented::take(&mut request, places, cookies_count);
        let shown = taken.map(|presented| {
            presented.map(|presented| match presented {
                Presented::Token(token) => token.expose().to_owned(),
                Presented::Ticket(ticket) => format!("ticket {}", ticket.expose()),
            })
        });
        (shown, request)
    }

    type Case<'a> =
        (&'a str, &'a str, &'a [(&'a str, &'a str)], Result<Option<String>, PresentedError>);

    #[test]
    fn tokens_by_place() {
        let all = TokenPlaces { cookie: Some("auth".to_owned()), query: true };
        let found = |token: &str| Ok(Some(token.to_owned()));
        let (conflict, malformed) = (Err(PresentedError::Conflict), Err(PresentedError::Malformed));
        // rule, target, headers, what is presented
        let cases: &[Case<'_>] = &[
            ("nowhere", "/", &[], Ok(None)),
            ("Bearer, <token>", "/", &[(PROTOCOL, "Bearer, a.b.c")], found("a.b.c")),
            ("without a space", "/", &[(PROTOCOL, "Bearer,a.b.c")], found("a.b.c")),
            ("in two lines", "/", &[(PROTOCOL, "Bearer"), (PROTOCOL, "a.b.c")], found("a.b.c")),
            ("Bearer <token>", "/", &[(PROTOCOL, "Bearer a.b.c")], found("a.b.c")),
            ("behind others", "/", &[(PROTOCOL, "x, Bearer, a.b.c, y")], found("a.b.c")),
            ("other subprotocols", "/", &[(PROTOCOL, "x, bearer, y")], Ok(None)),
            ("Bearer alone", "/", &[(PROTOCOL, "Bearer")], malformed.clone()),
            ("Bearer and nothing", "/", &[(PROTOCOL, "Bearer, ")], malformed.clone()),
            ("Bearer twice", "/", &[(PROTOCOL, "Bearer, a, Bearer, a")], malformed.clone()),
            ("no token", "/", &[(PROTOCOL, "Bearer a b")], malformed.clone()),
            ("Authorization", "/", &[("authorization", "Bearer a.b.c")], found("a.b.c")),
            (
                "RFC 9110 §11.1 in any case",
                "/",
                &[("authorization", "bearer a.b.c")],
                found("a.b.c"),
            ),
            ("for somebody else", "/", &[("authorization", "Basic YTpi")], Ok(None)),
            (
                "for somebody else, and for us",
                "/",
                &[("authorization", "Basic YTpi"), ("authorization", "Bearer a")],
                found("a"),
            ),
            ("nothing in it", "/", &[("authorization", "Bearer")], malformed.clone()),
            (
                "twice",
                "/",
                &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
                malformed.clone(),
            ),
            ("in the query", "/?token=a.b.c", &[], found("a.b.c")),
            ("in the query, encoded", "/?token=a%2Eb", &[], malformed.clone()),
            ("in the query, empty", "/?token=", &[], malformed.clone()),
            ("in the query, twice", "/?token=a&token=a", &[], malformed.clone()),
            ("a ticket", "/?x=1&ticket=t1", &[], found("ticket t1")),
            ("a cookie", "/", &[("cookie", "x=1; auth=a.b.c; y=2")], found("a.b.c")),
            ("another cookie", "/", &[("cookie", "auth2=a; xauth=b")], Ok(None)),
            ("an empty cookie", "/", &[("cookie", "auth=")], Ok(None)),
            ("one cookie twice", "/", &[("cookie", "auth=a; auth=a")], found("a")),
            ("two cookies", "/", &[("cookie", "auth=a"), ("cookie", "auth=b")], conflict.clone()),
            (
                "on purpose before a cookie",
                "/",
                &[("cookie", "auth=a"), (PROTOCOL, "Bearer b")],
                found("b"),
            ),
            ("a ticket before a cookie", "/?ticket=t", &[("cookie", "auth=a")], found("ticket t")),
            ("the same in two places", "/?token=a", &[("authorization", "Bearer a")], found("a")),
            ("two in two places", "/?token=a", &[("authorization", "Bearer b")], conflict.clone()),
            (
                "two more",
                "/",
                &[(PROTOCOL, "Bearer a"), ("authorization", "Bearer b")],
                conflict.clone(),
            ),
            ("a token and a ticket", "/?token=a&ticket=a", &[], conflict),
        ];
        for (rule, target, headers, expected) in cases {
            assert_eq!(take(target, headers, &all, true).0, *expected, "{rule}");
        }
    }

    #[test]
    fn s10_a_cookie_counts_where_its_page_does() {
        let cookie = [("cookie", "auth=a")];
        let auth = TokenPlaces { cookie: Some("auth".to_owned()), query: false };
        assert_eq!(take("/", &cookie, &auth, true).0, Ok(Some("a".to_owned())));
        assert_eq!(take("/", &cookie, &auth, false).0, Ok(None));
        assert_eq!(take("/", &cookie, &TokenPlaces::default(), true).0, Ok(None));
    }

    #[test]
    fn s11_a_query_is_not_read_unless_asked() {
        let (result, request) = take("/?token=a", &[], &TokenPlaces::default(), true);
        assert_eq!(result, Err(PresentedError::QueryToken));
        assert_eq!(request.uri(), "/");
    }

    /// S11, S12: whatever is done with the request afterwards, there is no token in it.
    #[test]
    fn s12_nothing_of_it_is_passed_on() {
        let places = TokenPlaces { cookie: None, query: true };
        let headers =
            [(PROTOCOL, "x, Bearer, secret, y"), ("authorization", "Bearer secret"), ("host", "a")];
        let (_, request) = take("/a?b=c&token=secret&d", &headers, &places, true);
        assert_eq!(request.uri(), "/a?b=c&d");
        assert_eq!(request.headers()[PROTOCOL], "x, Bearer, y");
        assert!(!format!("{request:?}").contains("secret"), "{request:?}");
        let (_, request) = take("http://a/?ticket=secret", &[], &places, true);
        assert_eq!(request.uri(), "http://a/");
        let presented = Presented::Token(Secret::new("secret"));
        assert_eq!(format!("{presented:?}"), "Token(Secret(..))");
    }

    #[test]
    fn s11_queries_are_redacted() {
        let cases = [
            ("/", "/"),
            ("/a?token=secret", "/a?token=…"),
            ("/a?b=secret&cf_connect=%7B%7D", "/a?b=…&cf_connect=…"),
            ("/a?secret", "/a?=…"),
            ("/a?", "/a?=…"),
        ];
        for (target, shown) in cases {
            assert_eq!(redacted(&target.parse().unwrap()), shown);
        }
    }
}
