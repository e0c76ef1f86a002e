use alloc::vec;

use super::*;
use RequestError as E;

const HEAD: RequestHead<'static> = RequestHead {
    version: HttpVersion::Http2,
    method: "CONNECT",
    target: "/chat?a",
    scheme: Some("https"),
    authority: Some("example.com"),
    protocol: Some("websocket"),
};

fn check(head: &RequestHead<'_>, fields: &[(&str, &str)]) -> Result<Request, RequestError> {
    Request::from_head(head, headers_of(fields), &LIMITS)
}

const VERSION: (&str, &str) = ("sec-websocket-version", "13");

#[test]
fn t2_extended_connect() {
    let cases: &[(&str, RequestHead<'_>, E, u16)] = &[
        ("§4 no CONNECT", RequestHead { method: "GET", ..HEAD }, E::ProtocolWithoutConnect, 400),
        ("§4 no :scheme", RequestHead { scheme: None, ..HEAD }, E::PseudoHeaderMissing, 400),
        ("§4 no :authority", RequestHead { authority: None, ..HEAD }, E::PseudoHeaderMissing, 400),
        ("§4 no :path", RequestHead { target: "", ..HEAD }, E::PseudoHeaderMissing, 400),
        ("§5 :scheme", RequestHead { scheme: Some("ftp"), ..HEAD }, E::PseudoHeaderMissing, 400),
        ("§5 :path", RequestHead { target: "a", ..HEAD }, E::TargetInvalid, 400),
        ("RFC 9110 §7.2", RequestHead { authority: Some("[::1"), ..HEAD }, E::HostInvalid, 400),
        (
            "RFC 9220 §3",
            RequestHead { protocol: Some("connect-udp"), ..HEAD },
            E::ProtocolUnknown,
            501,
        ),
    ];
    for (rule, head, error, status) in cases {
        assert_eq!(check(head, &[VERSION]).unwrap_err(), *error, "T2 RFC 8441 {rule}");
        assert_eq!(error.status(), *status, "T2 RFC 8441 {rule}");
    }
    let from_a_proxy = RequestHead { protocol: Some("WebSocket"), ..HEAD };
    let request = check(&from_a_proxy, &[VERSION]);
    assert!(matches!(request, Ok(Request::WebSocket(_))), "RFC 9110 §7.8 any case");
    let tunnel = RequestHead { protocol: None, ..HEAD };
    assert!(matches!(check(&tunnel, &[VERSION]), Ok(Request::Other(_))), "§4 a plain CONNECT");
}

#[test]
fn t3_no_key_no_accept() {
    let key = ("sec-websocket-key", "passed on by a proxy");
    let offers = ("sec-websocket-protocol", "chat");
    let Ok(Request::WebSocket(request)) = check(&HEAD, &[VERSION, key, offers]) else {
        panic!("T3 a Key is ignored");
    };
    assert_eq!(request.resource_name(), "/chat?a");
    assert_eq!(request.scheme(), Some(crate::uri::Scheme::Wss));
    let response = request.accept(&Accept::new().subprotocol("chat")).unwrap();
    assert_eq!(response.status(), 200, "T3 RFC 8441 §5");
    assert_eq!(pairs(response.headers()), vec![("Sec-WebSocket-Protocol", "chat")]);

    for version in [HttpVersion::Http2, HttpVersion::Http3] {
        let head = RequestHead { version, ..HEAD };
        let error = check(&head, &[]).unwrap_err();
        assert_eq!(error, E::VersionUnsupported, "T3 the version is still checked");
        let response = Rejection::from(error).to_response(version);
        assert_eq!(response.headers().get("sec-websocket-version"), Some(&b"13"[..]));
        for name in ["connection", "upgrade", "transfer-encoding"] {
            assert!(!response.headers().contains(name), "RFC 9113 §8.2.2 {name}");
        }
    }
    let accepts = Rejection::new(204, "").unwrap();
    assert_eq!(request.reject(&accepts), Err(ApiMisuse::Status { status: 204 }), "RFC 9110 §9.3.6");
    let refuses = Rejection::new(403, "No.").unwrap();
    assert_eq!(request.reject(&refuses).unwrap().status(), 403);
}

#[test]
fn t3_client() {
    let request = ClientRequest::new("wss://u:p@example.com/chat".parse().unwrap())
        .subprotocol("chat")
        .unwrap()
        .header("Host", "other.example")
        .unwrap()
        .header("X-Y", "z")
        .unwrap();
    assert_eq!(request.authority(), "other.example");
    assert_eq!(
        pairs(&request.headers_http2()),
        vec![
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat"),
            ("authorization", "Basic dTpw"),
            ("x-y", "z"),
        ]
    );
    let established = request.check_http2(200, headers_of(&[("sec-websocket-protocol", "chat")]));
    assert_eq!(established.unwrap().subprotocol(), Some("chat"));
    let failure = request.check_http2(200, headers_of(&[("sec-websocket-protocol", "b")]));
    assert_eq!(failure.unwrap_err(), ResponseError::SubprotocolNotOffered.into(), "C5");
    let failure = request.check_http2(501, headers_of(&[])).unwrap_err();
    assert!(matches!(failure, HandshakeFailure::Refused(response) if response.status() == 501));
}

/// What our client sends over HTTP/2, our server accepts, and the other way round.
#[test]
fn t3_both_ends() {
    let client = ClientRequest::new("wss://example.com/chat?a".parse().unwrap());
    let request = Request::from_head(&HEAD, client.headers_http2(), &LIMITS);
    let Ok(Request::WebSocket(request)) = request else { panic!("accepted") };
    let response = request.accept(&Accept::new()).unwrap();
    assert!(client.check_http2(response.status(), response.headers().clone()).is_ok());
}
