use proptest::prelude::*;

use super::*;
use crate::extension::Extension;

/// What a server makes of a stream that arrives in pieces, and what it leaves of it.
fn served(stream: &[u8], size: usize) -> (String, Vec<u8>) {
    let mut handshake = ServerHandshake::new(LIMITS);
    let mut left = Vec::new();
    let mut outcome = String::new();
    for mut piece in stream.chunks(size) {
        if outcome.is_empty() {
            match handshake.receive(&mut piece) {
                Ok(None) => assert!(piece.is_empty()),
                Ok(Some(request)) => outcome = format!("{request:?}"),
                // After an error nobody reads on.
                Err(error) => return (format!("{error:?}"), Vec::new()),
            }
        }
        left.extend_from_slice(piece);
    }
    (outcome, left)
}

/// The same for a client, and then the end of the stream.
fn answered(stream: &[u8], size: usize) -> (String, Vec<u8>) {
    let request = ClientRequest::new("ws://a/".parse().unwrap());
    let mut handshake = ClientHandshake::new(request, NONCE, LIMITS);
    let mut left = Vec::new();
    let mut outcome = String::new();
    for mut piece in stream.chunks(size) {
        if outcome.is_empty() {
            match handshake.receive(&mut piece) {
                Ok(None) => assert!(piece.is_empty()),
                Ok(Some(established)) => outcome = format!("{established:?}"),
                Err(failure) => return (format!("{failure:?}"), Vec::new()),
            }
        }
        left.extend_from_slice(piece);
    }
    if outcome.is_empty() {
        outcome = format!("{:?}", handshake.handle_eof());
    }
    (outcome, left)
}

/// Bytes that come near to a head, and are broken somewhere.
fn nearly(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let bits = prop::sample::select(&b"\r\n\0 \t:,;=\"/#[]AG1\x7f\x80\xff"[..]);
    prop::collection::vec((any::<prop::sample::Index>(), bits, 0..3_u8), 0..4).prop_map(
        move |edits| {
            let mut bytes = good.clone();
            for (index, byte, edit) in edits {
                let at = index.index(bytes.len());
                match edit {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes.extend_from_slice(b"\x81\x01a");
            bytes
        },
    )
}

const RESPONSE: &[u8] = b"HTTP/1.1 103 Hint\r\nLink: a\r\n\r\n\
    HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const REFUSAL: &[u8] = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n1;a\r\nd\r\n0\r\n\r\n";

proptest! {
    /// Where the network cuts the stream must not matter, whatever the stream is.
    #[test]
    fn h12_cuts_do_not_matter_to_a_server(
        stream in nearly(request_with(&[("Sec-WebSocket-Extensions", Some("a; b=\"c\""))])),
        size in 1..40_usize,
    ) {
        prop_assert_eq!(served(&stream, usize::MAX), served(&stream, size));
    }

    #[test]
    fn c7_cuts_do_not_matter_to_a_client(
        stream in prop_oneof![nearly(RESPONSE.to_vec()), nearly(REFUSAL.to_vec())],
        size in 1..40_usize,
    ) {
        prop_assert_eq!(answered(&stream, usize::MAX), answered(&stream, size));
    }

    #[test]
    fn z1_never_panics(bytes: Vec<u8>, size in 1..9_usize) {
        served(&bytes, size);
        answered(&bytes, size);
        served(&[b"GET / HTTP/1.1\r\nHost: ", &bytes[..], b"\r\n\r\n"].concat(), size);
        answered(&[b"HTTP/1.1 101 ", &bytes[..], b"\r\n\r\n"].concat(), size);
    }

    /// What the client writes the server accepts, and what it answers the client accepts.
    #[test]
    fn both_ends_agree(
        nonce: [u8; 16],
        authority in "(u:p@)?([a-z0-9.-]{1,9}|\\[::[0-9a-f]\\])(:[0-9]{1,4})?",
        resource in "(/[!-\"$->@-~]{0,9})?(\\?[!-\"$-~]{0,9})?",
        subprotocols in prop::collection::btree_set("[!#-'*+.0-9A-Z^-z|~-]{1,8}", 0..4),
        extensions in prop::collection::vec("[a-z-]{1,9}", 0..4),
        values in prop::collection::vec("[ -~]{0,20}", 0..4),
        chosen: prop::sample::Index,
    ) {
        let uri = format!("wss://{authority}{resource}").parse().unwrap();
        let mut client = ClientRequest::new(uri);
        for subprotocol in &subprotocols {
            client = client.subprotocol(subprotocol).unwrap();
        }
        for name in &extensions {
            client = client.extension(Extension::new(name.clone()).unwrap());
        }
        for value in &values {
            client = client.header("X-Value", value).unwrap();
        }
        let mut handshake = ClientHandshake::new(client.clone(), nonce, LIMITS);
        let request = upgrade(handshake.request());
        prop_assert_eq!(request.resource_name(), client.uri().resource_name());
        prop_assert_eq!(request.authority().host(), client.uri().host());
        prop_assert!(request.subprotocols().eq(subprotocols.iter().map(String::as_str)));
        prop_assert_eq!(request.extensions().len(), extensions.len());
        let received: Vec<_> = request.headers().get_all("x-value").collect();
        let sent: Vec<_> = values.iter().map(|value| value.trim_matches(' ').as_bytes()).collect();
        prop_assert_eq!(received, sent);

        let mut accept = Accept::new();
        let subprotocol = (!subprotocols.is_empty())
            .then(|| request.subprotocols().nth(chosen.index(subprotocols.len())).unwrap());
        if let Some(subprotocol) = subprotocol {
            accept = accept.subprotocol(subprotocol);
        }
        if let Some(extension) = request.extensions().first() {
            accept = accept.extension(extension.clone());
        }
        let response = request.accept(&accept).unwrap().encode();
        let established = handshake.receive(&mut &response[..]).unwrap().unwrap();
        prop_assert_eq!(established.subprotocol(), subprotocol);
        prop_assert_eq!(established.extensions().len(), extensions.len().min(1));
    }

    /// What the server refuses with, the client is told.
    #[test]
    fn refusals_arrive(status in 300..600_u16, body in "[ -~]{0,99}", size in 1..40_usize) {
        let request = upgrade(&request_with(&[]));
        let rejection = Rejection::new(status, "").unwrap().body("text/plain", body.clone());
        let response = request.reject(&rejection.unwrap()).unwrap();
        let client = ClientRequest::new("ws://a/".parse().unwrap());
        let mut handshake = ClientHandshake::new(client, NONCE, LIMITS);
        let mut failure = None;
        for mut piece in response.encode().chunks(size) {
            if failure.is_none() {
                failure = handshake.receive(&mut piece).err();
            }
        }
        let Some(HandshakeFailure::Refused(told)) = failure else { panic!("{failure:?}") };
        prop_assert_eq!(told.status(), status);
        let expected = if status == 304 { "" } else { &body };
        prop_assert_eq!(told.body(), expected.as_bytes());
    }
}
