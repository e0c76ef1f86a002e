//! A client of HTTP/2 that is not ours: the crate h2, and extended CONNECTs by hand (RFC 8441).

use bytes::Bytes;
use h2::{client::SendRequest, ext::Protocol};
use http::Request;
use tokio::io::DuplexStream;

/// Speaks HTTP/2 over a pipe; T1: the server must have announced extended CONNECT (§3).
pub async fn client(io: DuplexStream) -> SendRequest<Bytes> {
    let (requests, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(requests.is_extended_connect_protocol_enabled(), "T1 (RFC 8441 §3)");
    requests.ready().await.unwrap()
}

/// An extended CONNECT for some protocol, with further fields.
pub fn connect(protocol: &'static str, fields: &[(&'static str, &str)]) -> Request<()> {
    let mut request = connect_to("/chat");
    request.extensions_mut().insert(Protocol::from_static(protocol));
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

/// An extended CONNECT for a WebSocket.
pub fn connect_to(path: &str) -> Request<()> {
    Request::connect(format!("https://example.com{path}"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}
