//! [`ClientHandshake`]: the client's end of the opening handshake, over bytes.

use alloc::vec::Vec;
use core::mem;

use super::{
    answer::{Established, HandshakeFailure, check_switch},
    body::Body,
    client_request::ClientRequest,
    error::ResponseError,
    head::{HeadReader, Minor},
    headers::Headers,
    key::encode_key,
    limits::HandshakeLimits,
    response::Response,
};

/// Writes a request and reads the response as it arrives (RFC 6455 §4.1). How long to wait is the
/// caller's to decide.
///
/// ```
/// use tidewire_proto::handshake::{ClientHandshake, ClientRequest, HandshakeLimits};
///
/// let request = ClientRequest::new("ws://example.com/chat".parse()?).subprotocol("chat")?;
/// let nonce = *b"the sample nonce"; // 16 random bytes
/// let mut handshake = ClientHandshake::new(request, nonce, HandshakeLimits::default());
/// assert!(handshake.request().starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let mut input = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///     Sec-WebSocket-Protocol: chat\r\n\r\n\
///     \x81\x02hi" // the server is in a hurry: a message follows at once
///     .as_slice();
/// let established = handshake.receive(&mut input)?.ok_or("it is a whole response")?;
/// assert_eq!(established.subprotocol(), Some("chat"));
/// assert_eq!(input, b"\x81\x02hi");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    request: ClientRequest,
    nonce: [u8; 16],
    encoded: Vec<u8>,
    limits: HandshakeLimits,
    head: HeadReader,
    state: State,
}

/// How far the response has come.
#[derive(Debug)]
enum State {
    /// Before the end of its head.
    Head { interim_count: usize },
    /// Within the body of a response that refuses.
    Body { response: Response, body: Body },
    /// Terminal: its outcome was returned.
    Over,
}

impl ClientHandshake {
    /// A handshake of which nothing was sent yet. `nonce` is 16 bytes that nobody could guess,
    /// fresh for each attempt (§4.1 item 7).
    pub fn new(request: ClientRequest, nonce: [u8; 16], limits: HandshakeLimits) -> Self {
        Self {
            encoded: request.encode(nonce),
            request,
            nonce,
            limits,
            head: HeadReader::new(&limits),
            state: State::Head { interim_count: 0 },
        }
    }

    /// The bytes to send: all of them, and nothing more before the response (§4.1: the client
    /// "MUST wait for a response from the server before sending any further data").
    pub fn request(&self) -> &[u8] {
        &self.encoded
    }

    /// Takes the bytes of the response off the front of `input`; `None` until it is whole. What
    /// follows a 101 stays in `input`: these are the server's first frames.
    ///
    /// Interim responses are skipped. Of a response that refuses, the body is read too, up to
    /// `body_len_max`, before [`HandshakeFailure::Refused`] is returned; to wait for it no longer,
    /// or where the stream ends, call [`handle_eof`](Self::handle_eof).
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Established>, HandshakeFailure> {
        let result = self.advance(input);
        if !matches!(result, Ok(None)) {
            self.state = State::Over;
        }
        result
    }

    /// The stream ended, or the caller's patience: the refusal as far as it came, or that there
    /// was no whole response.
    pub fn handle_eof(&mut self) -> HandshakeFailure {
        match mem::replace(&mut self.state, State::Over) {
            State::Head { .. } => ResponseError::EndOfStream.into(),
            State::Body { response, .. } => HandshakeFailure::Refused(response),
            State::Over => ResponseError::Over.into(),
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Established>, HandshakeFailure> {
        loop {
            match &mut self.state {
                State::Over => return Err(ResponseError::Over.into()),
                State::Body { response, body } => {
                    if !body.receive(input, &mut response.body, self.limits.body_len_max) {
                        return Ok(None);
                    }
                    return Err(self.handle_eof());
                }
                State::Head { interim_count } => {
                    let Some(head) = self.head.receive(input).map_err(ResponseError::from)? else {
                        return Ok(None);
                    };
                    let (status, minor, headers) = head.response().map_err(ResponseError::from)?;
                    match status {
                        101 if minor == Minor(0) => return Err(ResponseError::Http10.into()),
                        101 => return self.established(headers).map(Some),
                        100..=199 => {
                            // RFC 9110 §15.2: "A client MUST be able to parse one or more 1xx
                            // responses received prior to a final response".
                            *interim_count += 1;
                            let interim_count_max = self.limits.interim_count_max;
                            if *interim_count > interim_count_max {
                                let error = ResponseError::TooManyInterim { interim_count_max };
                                return Err(error.into());
                            }
                        }
                        _ => {
                            let body = Body::of_response(status, &headers);
                            let response = Response { status, headers, body: Vec::new() };
                            self.state = State::Body { response, body };
                        }
                    }
                }
            }
        }
    }

    fn established(&self, headers: Headers) -> Result<Established, HandshakeFailure> {
        check_switch(&headers, &encode_key(self.nonce))?;
        self.request.check_answer(headers)
    }
}
