//! HTTP: the control plane, on tokio and hyper. Whoever becomes a session is handed to the
//! [`node`](crate::node).

#![expect(clippy::result_large_err, reason = "either is a response, and neither is the rare one")]

mod answer;
mod api;
mod body;
mod gate;
mod pages;
mod stream;
mod websocket;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidewire::{DeflateConfig, Server, proto::handshake::OriginPolicy};
use tidewire_brokers::memory;
use tidewire_dialects::api::ApiLimits;
use tidewire_dialects::centrifuge::{FrameLimits, Framing};
use tidewire_engine::Io;
use tidewire_hub::{Credentials, Seed};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    task::spawn_blocking,
    time::timeout,
};
use tracing::{debug, error, warn};

pub(crate) use self::gate::Seat;
use self::{answer::sentence, api::Api, body::Body};
use crate::{
    demo,
    door::{Door, Visitor},
    listen::Listeners,
    node::{self, Dialect, Guest, Node, NodeConfig, NodeHandle},
};

/// Connections that are accepted and wait for their turn. Beyond, the kernel's queue fills.
const ACCEPTED_MAX: usize = 64;

/// Connections that speak HTTP at one time; further ones wait. WebSockets are counted elsewhere.
const HTTP_COUNT_MAX: usize = 16 << 10;

/// How long a client may take for the head of a request, the first and each further one.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a stop may take beyond the time over which it is spread: a little more than a closing
/// handshake.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// What is served.
#[derive(Debug)]
pub struct Site {
    /// The node that sessions live on.
    pub node: Node,
    /// Who may come in.
    pub door: Door,
    /// What is agreed on in the opening handshake; who may come in is not its business.
    pub server: Server,
    /// Bytes in a frame, or in a request's body.
    pub frame_len_max: usize,
    /// What opens the API; without it the API is not there.
    pub api_key: Option<String>,
    /// Whether the chat is at `/`.
    pub demo: bool,
    /// Over how long a stop is spread.
    pub drain_within: Duration,
}

impl Site {
    /// A hub open to everybody, with the chat at `/`: see [`demo`].
    ///
    /// # Errors
    /// If the node does not start.
    pub fn demo(io: Io, thread_count: Option<usize>, api_key: Option<String>) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let [low, high] = [&key[..8], &key[8..]]
            .map(|half| half.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)));
        let seed = Seed::new([low, high]);
        let frames = FrameLimits::default();
        let cores = || std::thread::available_parallelism().map_or(1, Into::into);
        let thread_count = thread_count.unwrap_or_else(cores);
        let node = Node::start(NodeConfig {
            io,
            thread_count,
            hub: Arc::new(demo::hub(seed)),
            memory: memory::Limits::default(),
            frames,
            verifier: Box::new(|| Box::new(demo::NamesForTokens)),
        })?;
        let door = Door::new(demo::door_rules()?, thread_count, seed);
        let server = Server::new()
            // The door has looked at it already.
            .origins(OriginPolicy::Any)
            // Whoever talks here knows no secret that its length could tell about (RFC 7692 §8).
            .deflate(DeflateConfig::small_memory());
        Ok(Self {
            node,
            door,
            server,
            frame_len_max: frames.frame_len_max,
            api_key,
            demo: true,
            drain_within: Duration::ZERO,
        })
    }
}

/// Everything that the connections share.
struct Shared {
    node: NodeHandle,
    door: Door,
    server: Server,
    frame_len_max: usize,
    api: Api,
    demo: bool,
    /// Every task holds one; when the last one has ended, so have they.
    alive: mpsc::WeakSender<Infallible>,
}

/// Serves until `stop` is ready; then sessions are told to go elsewhere, and this returns once they
/// have ended.
pub async fn serve(listeners: Listeners, site: Site, stop: impl Future<Output = ()>) {
    let Site { node, door, server, frame_len_max, api_key, demo, drain_within } = site;
    let (alive, mut all_ended) = mpsc::channel(1);
    let handle = node.handle().clone();
    let api = Api { node: handle.clone(), key: api_key, limits: ApiLimits::default() };
    let shared = Arc::new(Shared {
        node: handle.clone(),
        door,
        server,
        frame_len_max,
        api,
        demo,
        alive: alive.downgrade(),
    });
    let (stopping, stopped) = watch::channel(());
    let (accepted, mut connections) = mpsc::channel(ACCEPTED_MAX);
    listeners.accept_into(&accepted);
    let places = Arc::new(Semaphore::new(HTTP_COUNT_MAX));
    let accepting = async {
        // Whoever says nothing leaves its place after `HEAD_WITHIN`.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await
            && let Some((io, peer)) = connections.recv().await
        {
            let (shared, alive, stopped) = (Arc::clone(&shared), alive.clone(), stopped.clone());
            tokio::spawn(async move {
                speak_http(io, peer, shared, stopped).await;
                drop((place, alive));
            });
        }
    };
    tokio::select! {
        () = stop => {}
        () = accepting => {} // it ends with the listeners, which do not end
    }
    drop(connections); // which ends the accepting
    drop(stopping);
    drop(alive);
    let ending = async {
        handle.drain(drain_within).await;
        // Who gets its 101 meanwhile is sent away by the node, so the engine goes last.
        all_ended.recv().await;
        spawn_blocking(move || node.stop(Duration::ZERO)).await
    };
    match timeout(drain_within + STOP_WITHIN, ending).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => error!("the node has ended before: {error}"),
        Ok(Err(error)) => error!("the node was not stopped: {error}"),
        Err(_) => warn!("some connections have not ended in time"),
    }
}

/// One connection, until it ends or has become a WebSocket.
async fn speak_http(
    io: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<()>,
) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, peer, &shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%peer, "HTTP ended: {error}");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Response<Body> {
    let path = request.uri().path();
    let wants_room = shared.demo && path == "/" && request.headers().contains_key(header::UPGRADE);
    let answer = if path.starts_with("/connection/") || wants_room {
        knock(request, peer, shared).await
    } else if path == "/emulation" {
        emulation(request, peer, shared).await
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
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let knocked = shared.door.knock(shared.node.now(), peer.ip(), false, &mut request);
    let visitor = knocked.map_err(|refused| gate::refusal(&refused))?;
    let page = visitor.page.clone();
    let answer = if request.method() == Method::OPTIONS {
        Ok(gate::preflight(&page))
    } else {
        enter(request, peer, visitor, shared).await
    };
    let mut answer = answer.unwrap_or_else(|refused| refused);
    gate::tell(answer.headers_mut(), &page);
    Ok(answer)
}

async fn enter(
    request: Request<Incoming>,
    peer: SocketAddr,
    visitor: Visitor,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let newcomer = |visitor: Visitor| {
        let seat = Seat::take(&shared.door, &visitor)?;
        Ok(Newcomer { peer, seat, credentials: visitor.credentials })
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
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Response<Body>> {
    let page = shared.door.recognize(peer.ip(), false, &request);
    let page = page.map_err(|refused| gate::refusal(&refused))?;
    let answer = if request.method() == Method::OPTIONS {
        Ok(gate::preflight(&page))
    } else {
        stream::emulation(request, shared.frame_len_max, &shared.node).await
    };
    let mut answer = answer.unwrap_or_else(|refused| refused);
    gate::tell(answer.headers_mut(), &page);
    Ok(answer)
}

/// Somebody who has been let in, and is about to become a session.
#[derive(Debug)]
struct Newcomer {
    peer: SocketAddr,
    seat: Seat,
    credentials: Option<Credentials>,
}

impl Newcomer {
    /// `None` if the system has no random numbers, so that nobody can get a name.
    fn speaking(self, dialect: Dialect) -> Option<Guest> {
        let Self { peer, seat, credentials } = self;
        let client = node::new_client().ok()?;
        Some(Guest { client, dialect, peer, credentials, seat })
    }
}
