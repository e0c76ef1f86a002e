//! Target: a client asks, through the public interface and with whatever values; what it may ask,
//! a server understands, and what the server answers, the client accepts.

use arbitrary::{Result, Unstructured};
use tidewire_proto::{
    handshake::{
        Accept, ClientHandshake, ClientRequest, HandshakeFailure, HandshakeLimits, Rejection,
        Request, ServerHandshake,
    },
    uri::Uri,
};

use crate::settings;

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let Some(uri) = uri(u)? else { return Ok(()) };
    let deflate = settings::deflate_config(u)?;
    let mut asked = ClientRequest::new(uri).require_subprotocol(u.arbitrary()?);
    for _ in 0..u.int_in_range(0..=3)? {
        if let Ok(more) = asked.clone().subprotocol(&word(u)?) {
            asked = more;
        }
    }
    for _ in 0..u.int_in_range(0..=3)? {
        let name = *u.choose(&["Origin", "Host", "X-A", "cookie", "Upgrade", "Content-Length"])?;
        let name = if u.ratio(1, 4)? { &word(u)? } else { name };
        if let Ok(more) = asked.clone().header(name, word(u)?) {
            asked = more;
        }
    }
    if u.arbitrary()? {
        asked = deflate.offers().into_iter().fold(asked, ClientRequest::extension);
    }
    if u.ratio(1, 4)?
        && let Ok(elsewhere) = asked.redirect(&word(u)?)
    {
        asked = elsewhere;
    }
    let limits = HandshakeLimits { head_len_max: 1 << 20, ..HandshakeLimits::default() };
    let mut client = ClientHandshake::new(asked.clone(), u.arbitrary()?, limits);
    let mut input = client.request();
    let received = ServerHandshake::new(limits).receive(&mut input);
    assert!(input.is_empty(), "one request and nothing else");
    let request = match received {
        Ok(Some(Request::WebSocket(request))) => request,
        // An application's Origin may be one that no server takes.
        Err(_) if asked.headers_http1([0; 16]).contains("origin") => return Ok(()),
        other => panic!("{other:?} of {:?}", client.request().escape_ascii().to_string()),
    };
    assert_eq!(request.resource_name(), asked.uri().resource_name());
    // A Host of the application's may be in capitals, or have a colon and no port.
    let (understood, written) = (request.authority().to_string(), asked.authority());
    let written = written.strip_suffix(':').unwrap_or(&written);
    assert!(understood.eq_ignore_ascii_case(written), "{understood}, {written}");

    let mut accept = Accept::new();
    let preferred: Vec<String> = request.subprotocols().map(str::to_owned).collect();
    let chosen = if preferred.is_empty() { None } else { Some(u.choose(&preferred)?.as_str()) };
    let chosen = chosen.filter(|_| u.ratio(2, 3).unwrap_or(true));
    if let Some(chosen) = chosen {
        accept = accept.subprotocol(chosen);
    }
    let at_server = settings::deflate_config(u)?.negotiate(request.extensions());
    if let Some((_, answer)) = &at_server {
        accept = accept.extension(answer.clone());
    }
    if let Ok(more) = accept.clone().header(&word(u)?, word(u)?) {
        accept = more;
    }
    let refuses = u.ratio(1, 8)?;
    let response = if refuses {
        let rejection = Rejection::new(u.int_in_range(200..=599)?, &word(u)?).expect("its range");
        request.reject(&rejection).expect("any status over HTTP/1.1")
    } else {
        request.accept(&accept).expect("all was offered")
    };
    let mut bytes = response.encode();
    let first_frames = u.bytes(u.len().min(4))?;
    if !refuses {
        bytes.extend(first_frames);
    }
    let mut input = &bytes[..];
    match client.receive(&mut input) {
        Ok(Some(established)) => {
            assert!(!refuses);
            assert_eq!(input, first_frames, "C7");
            assert_eq!(established.subprotocol(), chosen);
            let at_client = deflate.verify(established.extensions()).expect("a lawful answer");
            assert_eq!(at_client.is_some(), at_server.is_some());
        }
        Err(HandshakeFailure::Refused(told)) => {
            assert!(refuses);
            assert_eq!(told.status(), response.status());
            assert_eq!(told.body(), response.body());
        }
        Err(HandshakeFailure::Invalid(_)) => {
            assert!(!refuses && chosen.is_none(), "only where the subprotocol is required");
        }
        Ok(None) => panic!("a response that does not end: {}", bytes.escape_ascii()),
    }
    Ok(())
}

/// A URI that was written, and reads back as itself.
fn uri(u: &mut Unstructured<'_>) -> Result<Option<Uri>> {
    let mut text = String::new();
    if u.ratio(3, 4)? {
        text += *u.choose(&["ws://", "wss://", "WS://"])?;
    }
    for _ in 0..u.int_in_range(0..=4)? {
        text +=
            *u.choose(&["a.example", "[::1]", "127.0.0.1", ":80", ":443", "/", "?", "u:p@", "%"])?;
        text += &word(u)?;
    }
    let Ok(uri) = text.parse::<Uri>() else { return Ok(None) };
    let again: Uri = uri.to_string().parse().expect("what we write we read");
    assert_eq!(again.host_header(), uri.host_header());
    assert_eq!(again.resource_name(), uri.resource_name());
    assert_eq!(again.port(), uri.port());
    Ok(Some(uri))
}

/// Short text, of any characters.
fn word(u: &mut Unstructured<'_>) -> Result<String> {
    let len = usize::from(u.arbitrary::<u8>()? % 12).min(u.len());
    Ok(u.bytes(len)?.iter().map(|byte| char::from(*byte)).collect())
}
