//! Target: responses arrive at a client. An input that begins with a byte below a space is put into
//! a good response, as header lines.

use tidewire_proto::{
    DeflateConfig,
    handshake::{ClientHandshake, ClientRequest, Established, HandshakeFailure, HandshakeLimits},
};

/// Small, so that they are reached.
const LIMITS: HandshakeLimits = HandshakeLimits {
    head_len_max: 1024,
    header_count_max: 16,
    body_len_max: 64,
    interim_count_max: 2,
};

const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// One input.
pub fn run(data: &[u8]) {
    match data {
        [place @ 0..=31, lines @ ..] => {
            let at =
                GOOD.match_indices("\r\n").nth(usize::from(place % 4)).map_or(0, |(at, _)| at + 2);
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

fn request() -> ClientRequest {
    let uri = "ws://user:secret@example.com/chat".parse().expect("a valid URI");
    let mut request = ClientRequest::new(uri);
    for subprotocol in ["chat", "superchat"] {
        request = request.subprotocol(subprotocol).expect("a token");
    }
    DeflateConfig::small_memory().offers().into_iter().fold(request, ClientRequest::extension)
}

fn stream(bytes: &[u8]) {
    let whole = receive(bytes, bytes.len().max(1));
    assert_eq!(described(&whole), described(&receive(bytes, 1)));
    assert_eq!(described(&whole), described(&receive(bytes, 7)));
    match whole {
        (Ok(established), rest) => {
            plainly_right(&established, &bytes[..bytes.len() - rest.len()]);
            let _ = DeflateConfig::small_memory().verify(established.extensions());
        }
        (Err(HandshakeFailure::Refused(response)), _) => {
            assert_ne!(response.status(), 101);
            assert!(response.body().len() <= LIMITS.body_len_max, "C2");
            if let Some(Ok(location)) = response.headers().get("location").map(str::from_utf8)
                && let Ok(redirected) = request().redirect(location)
            {
                let is_same = redirected.uri().host_header() == request().uri().host_header();
                assert!(is_same || redirected.uri().user_info().is_none(), "C9 {location}");
            }
        }
        (Err(HandshakeFailure::Invalid(error)), _) => assert!(!error.section().is_empty()),
    }
}

type Received = (Result<Established, HandshakeFailure>, Vec<u8>);

/// The outcome, at the latest at the end of the stream, and what is left behind a 101.
fn receive(bytes: &[u8], size: usize) -> Received {
    let mut handshake = ClientHandshake::new(request(), NONCE, LIMITS);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(size.min(rest.len()));
        let len = piece.len();
        let received = handshake.receive(&mut piece);
        rest = &rest[len - piece.len()..];
        match received {
            Ok(None) => assert!(piece.is_empty() && rest == after, "all is taken"),
            Ok(Some(established)) => return (Ok(established), rest.to_vec()),
            Err(failure) => {
                assert!(handshake.receive(&mut &b"HTTP"[..]).is_err(), "it is over");
                return (Err(failure), Vec::new());
            }
        }
    }
    (Err(handshake.handle_eof()), Vec::new())
}

/// Names and values.
type Fields = Vec<(String, Vec<u8>)>;

fn described((result, rest): &Received) -> (String, Fields, Vec<u8>, &[u8]) {
    let (headers, body) = match result {
        Ok(established) => (established.headers(), &[][..]),
        Err(HandshakeFailure::Refused(response)) => (response.headers(), response.body()),
        Err(_) => return (format!("{result:?}"), Vec::new(), Vec::new(), rest),
    };
    let fields = headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    (format!("{result:?}"), fields, body.to_vec(), rest)
}

/// A reader of lines finds everything that §4.1 demands of the last head (C1, C3 to C5).
fn plainly_right(established: &Established, heads: &[u8]) {
    let heads: String = heads.iter().map(|byte| char::from(*byte)).collect();
    let heads = heads.strip_suffix("\r\n\r\n").expect("a head ends in an empty line");
    assert!(!heads.replace("\r\n", "").contains(['\r', '\n', '\0']));
    assert!(heads.split("\r\n\r\n").count() <= 1 + LIMITS.interim_count_max, "C8");
    let head = heads.rsplit("\r\n\r\n").next().unwrap_or_default();
    assert!(head.len() <= LIMITS.head_len_max, "C8");
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    assert!(start.starts_with("HTTP/1.1 101"), "C2 {start}");
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
    assert!(lists("upgrade", "websocket") && lists("connection", "upgrade"), "C3");
    assert_eq!(values("sec-websocket-accept"), [ACCEPT], "C1");
    let chosen: Vec<&str> = established.subprotocol().into_iter().collect();
    assert_eq!(values("sec-websocket-protocol"), chosen, "C5");
    assert!(chosen.iter().all(|chosen| ["chat", "superchat"].contains(chosen)), "C5");
    assert!(established.extensions().iter().all(|one| one.name() == "permessage-deflate"), "C4");
}
