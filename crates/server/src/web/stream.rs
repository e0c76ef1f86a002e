//! Sessions without a WebSocket: server-sent events and HTTP streaming down, requests up.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tidewire_dialects::centrifuge::{EmulationRequest, Framing, connect_frame_of_query};
use tokio::time::timeout;

use super::{Newcomer, answer::sentence, body::Body};
use crate::node::{Dialect, NodeHandle, StreamName};

/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A body is a frame in a little JSON, every byte of which may have had to be escaped.
const EMULATION_OVERHEAD: usize = 1024;

type Answer = Result<Response<Body>, Response<Body>>;

/// Opens a session that goes out by the response.
pub(crate) async fn open(
    request: Request<Incoming>,
    framing: Framing,
    newcomer: Newcomer,
    frame_len_max: usize,
    node: &NodeHandle,
) -> Answer {
    let frame = match (request.method(), framing) {
        (&Method::POST, _) => text(body(request, frame_len_max).await?)?,
        // An EventSource can send no body.
        (&Method::GET, Framing::Sse) => {
            let frame = request.uri().query().and_then(connect_frame_of_query);
            let frame = frame.ok_or_else(|| bad_request("The parameter cf_connect is missing."))?;
            frame.map_err(|_| bad_request("The parameter cf_connect cannot be read."))?.into()
        }
        _ => return Err(not_allowed(framing)),
    };
    let guest = newcomer.speaking(Dialect::Centrifuge(framing)).ok_or_else(overloaded)?;
    let lines = node.open_stream(guest, frame).map_err(|_| overloaded())?;
    let mut response = Response::new(Body::Stream { preamble: framing.preamble(), lines });
    let headers = response.headers_mut();
    if let Some(content_type) = framing.content_type() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let uncached = HeaderValue::from_static("private, no-cache, no-store, must-revalidate");
    headers.insert(header::CACHE_CONTROL, uncached);
    // nginx holds a response back until it has enough of it, unless it is told not to.
    headers.insert("X-Accel-Buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What a session without a WebSocket says.
pub(crate) async fn emulation(
    request: Request<Incoming>,
    frame_len_max: usize,
    node: &NodeHandle,
) -> Answer {
    if request.method() != Method::POST {
        return Err(not_allowed(Framing::HttpStream));
    }
    let body = body(request, 2 * frame_len_max + EMULATION_OVERHEAD).await?;
    let request = EmulationRequest::of_body(&body)
        .map_err(|_| bad_request("This is no frame of a session."))?;
    let known = match StreamName::parse(&request.session) {
        Some(name) => node.frame(name, request.frame).await.map_err(|_| overloaded())?,
        None => false,
    };
    if !known {
        return Err(sentence(StatusCode::NOT_FOUND, "There is no such session (any more)."));
    }
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// A whole body, within bounds of length and time.
pub(crate) async fn body(
    request: Request<Incoming>,
    len_max: usize,
) -> Result<Bytes, Response<Body>> {
    match timeout(BODY_WITHIN, Limited::new(request, len_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(sentence(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("The body is longer than {len_max} bytes."),
        )),
        Ok(Err(_)) => Err(bad_request("The body was cut off.")),
        Err(_) => Err(sentence(StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    }
}

fn text(body: Bytes) -> Result<ByteString, Response<Body>> {
    ByteString::try_from(body).map_err(|_| bad_request("The body is not UTF-8."))
}

fn bad_request(why: &str) -> Response<Body> {
    sentence(StatusCode::BAD_REQUEST, why)
}

pub(crate) fn overloaded() -> Response<Body> {
    let mut response =
        sentence(StatusCode::SERVICE_UNAVAILABLE, "The server does not keep up; try again later.");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn not_allowed(framing: Framing) -> Response<Body> {
    let allow = match framing {
        Framing::Sse => "GET, POST, OPTIONS",
        _ => "POST, OPTIONS",
    };
    let mut response = sentence(StatusCode::METHOD_NOT_ALLOWED, "That method is not for here.");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}
