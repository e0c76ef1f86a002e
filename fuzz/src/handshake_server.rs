//! Target: requests arrive at a server. An input that begins with a byte below a space is put into
//! a good request, as header lines.

use tidewire_proto::handshake::{
    Accept, HandshakeLimits, HttpVersion, OriginPolicy, Rejection, Request, RequestError,
    ServerHandshake, UpgradeRequest,
};

/// Small, so that they are reached.
const LIMITS: HandshakeLimits = HandshakeLimits {
    head_len_max: 2048,
    header_count_max: 24,
    body_len_max: 64,
    interim_count_max: 2,
};

const GOOD: &str = "GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// One input.
pub fn run(data: &[u8]) {
    match data {
        [place @ 0..=31, lines @ ..] => {
            // Behind any of the good lines, or instead of it.
            let at =
                GOOD.match_indices("\r\n").nth(usize::from(place % 6)).map_or(0, |(at, _)| at + 2);
            let (before, mut after) = GOOD.split_at(at);
            if place & 8 != 0 {
                after = after.split_once("\r\n").map_or("", |(_, after)| after);
            }
            let all = [before.as_bytes(), lines, b"\r\n", after.as_bytes(), b"\r\n"];
            stream(&all.concat());
        }
        bytes => stream(bytes),
    }
}

fn stream(bytes: &[u8]) {
    let whole = receive(bytes, bytes.len().max(1));
    let bytewise = receive(bytes, 1);
    let cut = receive(bytes, 7);
    assert_eq!(described(&whole), described(&bytewise));
    assert_eq!(described(&whole), described(&cut));
    match whole {
        (Ok(None), _) => {}
        (Ok(Some(Request::WebSocket(request))), rest) => {
            plainly_right(&request, &bytes[..bytes.len() - rest.len()]);
            answer(&request);
        }
        (Ok(Some(Request::Other(request))), _) => {
            one_response(&request.respond(&request.upgrade_required()).encode());
        }
        (Err(error), _) => {
            let rejection = Rejection::from(error);
            assert!(rejection.status() >= 400);
            one_response(&rejection.to_response(HttpVersion::Http11).encode());
        }
    }
}

type Received = (Result<Option<Request>, RequestError>, Vec<u8>);

/// The first request, and what is left behind it.
fn receive(bytes: &[u8], size: usize) -> Received {
    let mut handshake = ServerHandshake::new(LIMITS);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(size.min(rest.len()));
        let len = piece.len();
        let received = handshake.receive(&mut piece);
        rest = &rest[len - piece.len()..];
        match received {
            Ok(None) => assert!(piece.is_empty() && rest == after, "all is taken"),
            Ok(Some(request)) => return (Ok(Some(request)), rest.to_vec()),
            Err(error) => {
                assert_eq!(handshake.receive(&mut &b"GET"[..]).unwrap_err(), error);
                return (Err(error), Vec::new());
            }
        }
    }
    (Ok(None), Vec::new())
}

/// Names and values.
type Fields = Vec<(String, Vec<u8>)>;

fn described((result, rest): &Received) -> (String, Fields, &[u8]) {
    let headers = match result {
        Ok(Some(Request::WebSocket(request))) => request.headers(),
        Ok(Some(Request::Other(request))) => request.headers(),
        _ => return (format!("{result:?}"), Vec::new(), rest),
    };
    let fields = headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    (format!("{result:?}"), fields, rest)
}

/// A reader of lines finds everything that §4.2.1 demands (H2 to H8).
fn plainly_right(request: &UpgradeRequest, head: &[u8]) {
    assert!(head.len() <= LIMITS.head_len_max);
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let head = head.trim_start_matches("\r\n");
    let head = head.strip_suffix("\r\n\r\n").expect("a head ends in an empty line");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "H13");
    let mut lines = head.split("\r\n");
    let start: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    assert!(matches!(start[..], ["GET", _, "HTTP/1.1"]), "H6 {start:?}");
    let fields: Vec<(String, &str)> = lines
        .map(|line| line.split_once(':').expect("a name and a value"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    let values = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(field, _)| field == name).map(|(_, value)| *value).collect()
    };
    let lists = |name: &str, token: &str| {
        let elements = values(name).join(",");
        elements.split(',').any(|one| one.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    };
    assert!(lists("upgrade", "websocket") && lists("connection", "upgrade"), "H2 H3 H7");
    assert_eq!(values("sec-websocket-version"), ["13"], "H4");
    assert!(matches!(values("sec-websocket-key")[..], [key] if key.len() == 24), "H5");
    assert_eq!(values("host").len(), 1, "H6");
    assert!(values("transfer-encoding").is_empty(), "H8");
    assert!(
        values("content-length")
            .iter()
            .all(|len| len.parse() == Ok(0) || len.trim_matches('0').is_empty()),
        "H8"
    );
    assert!(values("origin").len() <= 1, "H15");
    assert!(request.resource_name().starts_with('/'));
    assert!(!request.resource_name().contains([' ', '#']));
    let offered = values("sec-websocket-protocol").join(",");
    for subprotocol in request.subprotocols() {
        assert!(offered.contains(subprotocol), "H9");
    }
}

/// Whatever is accepted, the answer is one 101 that a reader of lines understands.
fn answer(request: &UpgradeRequest) {
    let list = OriginPolicy::list(["https://example.com"]).expect("a valid origin");
    let lowercase = request.origin().map(str::to_ascii_lowercase);
    let is_listed = matches!(
        lowercase.as_deref(),
        None | Some("https://example.com" | "https://example.com:443")
    );
    assert_eq!(list.check(request, None).is_ok(), is_listed, "H15 {:?}", request.origin());
    if let Some(origin) = lowercase
        && OriginPolicy::SameHost.check(request, None).is_ok()
    {
        let (scheme, origin) = origin.split_once("://").expect("H15 an origin with a host");
        let port = if scheme == "https" { ":443" } else { ":80" };
        let host = request.authority().to_string().to_ascii_lowercase();
        let stripped =
            |authority: &str| authority.trim_end_matches(port).trim_end_matches(':').to_owned();
        assert_eq!(stripped(origin), stripped(&host), "H15");
    }
    let mut accept = Accept::new();
    if let Some(subprotocol) = request.subprotocols().last() {
        accept = accept.subprotocol(subprotocol);
    }
    if let Some(extension) = request.extensions().last() {
        accept = accept.extension(extension.clone());
    }
    let response = request.accept(&accept).expect("both were offered");
    assert_eq!(response.status(), 101);
    one_response(&response.encode());
    assert!(request.accept(&Accept::new().subprotocol("not offered")).is_err());
}

/// No value of the request can end our head early or add a line to it (H14).
fn one_response(bytes: &[u8]) {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let (head, _body) = text.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    assert!(start.starts_with("HTTP/1.1 "), "{start}");
    let known = [
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-version",
        "content-type",
        "content-length",
        "allow",
    ];
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        assert!(known.contains(&&*name.to_ascii_lowercase()), "{line}");
        assert!(!value.chars().any(|c| c != '\t' && (c.is_ascii_control())), "{line}");
    }
}
