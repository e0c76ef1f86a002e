//! HTTP: the control plane, on tokio and hyper. Whoever becomes a session is handed to the
//! [`node`].

#![expect(clippy::result_large_err, reason = "either is a response, and neither is the rare one")]

mod answer;
mod api;
mod body;
mod calls;
mod exposition;
mod gate;
mod metrics;
mod operator;
mod pages;
mod patience;
mod request;
mod serving;
mod site;
mod stream;
mod websocket;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tidewire::Server;
use tidewire_dialects::centrifuge::Framing;
use tidewire_hub::Credentials;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument as _, debug, info_span};

use self::{
    answer::sentence,
    api::Api,
    body::Body,
    request::{Caller, RequestIds, shown},
};
pub(crate) use self::{gate::Seat, request::RequestId};
pub use self::{serving::serve, site::Site};
use crate::{
    door::{Door, Visitor},
    node::{self, Dialect, Guest, NodeHandle, Who},
};

/// Everything that the connections share.
struct Shared {
    node: NodeHandle,
    door: Door,
    server: Server,
    tls: Option<TlsAcceptor>,
    frame_len_max: usize,
    api: Api,
    demo: bool,
    /// Whether everybody may ask what is for the operator.
    operator_public: bool,
    log_lines_dropped: Arc<AtomicU64>,
    /// Whether sessions are being told to go elsewhere.
    draining: AtomicBool,
    requests: RequestIds,
    /// Every task holds one; when the last one has ended, so have they.
    alive: mpsc::WeakSender<Infallible>,
}

impl Shared {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Answers a request. Whatever is logged meanwhile tells which one it is about.
async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Response<Body> {
    let caller = Caller { request: shared.requests.next(), peer };
    let (id, method, target) = (caller.request, request.method(), shown(request.uri()));
    let span = info_span!("request", %id, %peer, %method, target);
    let answering = async {
        let response = answer(request, caller, shared).await;
        debug!(status = response.status().as_u16(), "answered");
        response
    };
    answering.instrument(span).await
}

async fn answer(
    request: Request<Incoming>,
    caller: Caller,
    shared: &Arc<Shared>,
) -> Response<Body> {
    if shared.operator_public
        && let Some(answer) = operator::answer(&request, shared).await
    {
        return answer;
    }
    let path = request.uri().path();
    if shared.is_draining() && path != "/emulation" {
        return last(stops());
    }
    let wants_room = shared.demo && path == "/" && request.headers().contains_key(header::UPGRADE);
    let answer = if path.starts_with("/connection/") || wants_room {
        knock(request, caller, shared).await
    } else if path == "/emulation" {
        emulation(request, caller, shared).await
    } else if path.starts_with("/api/") {
        shared.api.answer(request).await
    } else if shared.demo {
        Ok(pages::page(&request))
    } else {
        Err(sentence(StatusCode::NOT_FOUND, "There is nothing here."))
    };
    answer.unwrap_or_else(|refused| refused)
}

/// Whoever wants to become a session.
async fn knock(
    mut request: Request<Incoming>,
    caller: Caller,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let knocked =
        shared.door.knock(shared.node.now(), caller.peer.ip(), shared.tls.is_some(), &mut request);
    let visitor = knocked.map_err(|refused| gate::refusal(&refused))?;
    let page = visitor.page.clone();
    let answer = if request.method() == Method::OPTIONS {
        Ok(gate::preflight(&page))
    } else {
        enter(request, caller, visitor, shared).await
    };
    let mut answer = answer.unwrap_or_else(|refused| refused);
    gate::tell(answer.headers_mut(), &page);
    Ok(answer)
}

async fn enter(
    request: Request<Incoming>,
    caller: Caller,
    visitor: Visitor,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let newcomer = |visitor: Visitor| {
        let seat = Seat::take(&shared.door, &visitor)?;
        let address = Some(visitor.address).filter(|address| *address != caller.peer.ip());
        Ok(Newcomer { caller, address, seat, credentials: visitor.credentials })
    };
    let (len_max, node) = (shared.frame_len_max, &shared.node);
    match request.uri().path() {
        "/connection/websocket" => {
            let dialect = Dialect::Centrifuge(Framing::WebSocket);
            Ok(websocket::open(request, dialect, newcomer(visitor)?, shared))
        }
        "/" => {
            // A bare client cannot say who it is, and need not.
            let credentials = Some(Credentials::default());
            let newcomer = Newcomer { credentials, ..newcomer(visitor)? };
            Ok(websocket::open(request, Dialect::Bare, newcomer, shared))
        }
        "/connection/sse" => {
            stream::open(request, Framing::Sse, newcomer(visitor)?, len_max, node).await
        }
        "/connection/http_stream" => {
            stream::open(request, Framing::HttpStream, newcomer(visitor)?, len_max, node).await
        }
        "/connection/ticket" if request.method() == Method::POST => {
            Ok(gate::ticket(&shared.door, &visitor, node))
        }
        _ => Err(sentence(StatusCode::NOT_FOUND, "There is nothing here.")),
    }
}

/// What a session says whose bytes go one way only. Its secret name is all that it has to show.
async fn emulation(
    request: Request<Incoming>,
    caller: Caller,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let page = shared.door.recognize(caller.peer.ip(), shared.tls.is_some(), &request);
    let page = page.map_err(|refused| gate::refusal(&refused))?;
    let answer = if request.method() == Method::OPTIONS {
        Ok(gate::preflight(&page))
    } else {
        stream::emulation(request, shared.frame_len_max, &shared.node).await
    };
    let mut answer = answer.unwrap_or_else(|refused| refused);
    gate::tell(answer.headers_mut(), &page);
    // The next one may be for another node.
    Ok(if shared.is_draining() { last(answer) } else { answer })
}

/// What everybody is answered who is not here yet when it stops.
fn stops() -> Response<Body> {
    let why = "The server stops, and takes nobody any more.";
    let mut response = sentence(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// The last response on its connection.
fn last(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Somebody who has been let in, and is about to become a session.
#[derive(Debug)]
struct Newcomer {
    caller: Caller,
    /// Where it comes from, if a proxy has told.
    address: Option<IpAddr>,
    seat: Seat,
    credentials: Option<Credentials>,
}

impl Newcomer {
    /// `None` if the system has no random numbers, so that nobody can get a name.
    fn speaking(self, dialect: Dialect) -> Option<Guest> {
        let Self { caller: Caller { request, peer }, address, seat, credentials } = self;
        let who = Who { client: node::new_client().ok()?, peer };
        Some(Guest { who, address, request, dialect, credentials, seat })
    }
}
