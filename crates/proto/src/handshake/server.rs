//! [`ServerHandshake`]: the server's end of the opening handshake, over bytes.

use super::{error::RequestError, head::HeadReader, limits::HandshakeLimits, request::Request};

/// Reads a request from bytes as they arrive (RFC 6455 §4.2.1). What to answer is the caller's to
/// decide, and how long to wait; [`Rejection::timeout`](super::Rejection::timeout) is for the end
/// of its patience.
///
/// ```
/// use tidewire_proto::handshake::{Accept, HandshakeLimits, Request, ServerHandshake};
///
/// let mut handshake = ServerHandshake::new(HandshakeLimits::default());
/// let mut input = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n\
///     \x89\x80\0\0\0\0" // the client is in a hurry: a Ping follows at once
///     .as_slice();
/// let Some(Request::WebSocket(request)) = handshake.receive(&mut input)? else {
///     panic!("it is a whole request, and a handshake");
/// };
/// assert_eq!(input, b"\x89\x80\0\0\0\0");
///
/// let mut accept = Accept::new();
/// if let Some(chosen) = request.choose_subprotocol(["superchat", "chat"]) {
///     accept = accept.subprotocol(chosen);
/// }
/// let response = request.accept(&accept)?.encode();
/// assert!(response.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerHandshake {
    limits: HandshakeLimits,
    head: HeadReader,
    failed: Option<RequestError>,
}

impl ServerHandshake {
    /// A handshake of which nothing has arrived yet.
    pub fn new(limits: HandshakeLimits) -> Self {
        Self { limits, head: HeadReader::new(&limits), failed: None }
    }

    /// Takes the bytes of a request off the front of `input`; `None` until it is whole. What
    /// follows the request stays in `input`: these are the client's first frames.
    ///
    /// After an error, which converts to the [`Rejection`](super::Rejection) to answer with, the
    /// connection ends; every later call returns the same error.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Request>, RequestError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let request =
            self.head.receive(input).map_err(RequestError::from).and_then(|head| {
                head.map(|head| Request::from_bytes(&head, &self.limits)).transpose()
            });
        self.failed = request.as_ref().err().copied();
        request
    }

    /// Whether nothing of the next request has arrived: a connection that ends here was merely not
    /// used.
    pub fn is_idle(&self) -> bool {
        self.head.is_empty()
    }

    #[cfg(test)]
    pub(super) const fn examined(&self) -> usize {
        self.head.examined
    }
}
