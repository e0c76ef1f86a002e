//! HTTP: the control plane, on tokio and hyper. Whoever becomes a session is handed to the
//! [`node`](crate::node).

#![expect(clippy::result_large_err, reason = "either is a response, and neither is the rare one")]

mod answer;
mod api;
mod body;
mod exposition;
mod gate;
mod metrics;
mod operator;
mod pages;
mod request;
mod stream;
mod websocket;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidewire::{DeflateConfig, Server, proto::handshake::OriginPolicy};
use tidewire_brokers::memory;
use tidewire_dialects::api::ApiLimits;
use tidewire_dialects::centrifuge::{FrameLimits, Framing};
use tidewire_hub::{Credentials, Seed};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument as _, debug, error, info_span, warn};

use self::{
    answer::sentence,
    api::Api,
    body::Body,
    request::{Caller, RequestIds, shown},
};
pub(crate) use self::{gate::Seat, request::RequestId};
use crate::{
    config::Settings,
    demo,
    door::{Door, Visitor},
    listen::Listeners,
    node::{self, Dialect, Guest, Node, NodeConfig, NodeHandle, Who},
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

/// What is served. [`start`](Self::start) makes it of a configuration.
pub struct Site {
    node: Node,
    door: Door,
    server: Server,
    tls: Option<TlsAcceptor>,
    frame_len_max: usize,
    api: Api,
    demo: bool,
    operator_public: bool,
    log_lines_dropped: Arc<AtomicU64>,
    drain_within: Duration,
    /// What tells the requests of this run from those of others, in logs.
    run: u32,
}

impl Site {
    /// Starts a node by this configuration. With `demo` the chat is at `/`, and names are taken for tokens
    /// unless there are keys.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn start(settings: &Settings, demo: bool) -> io::Result<Self> {
        let options = &settings.options;
        let (seed, run) = (random_seed()?, random_run()?);
        let threads = usize::try_from(options.engine.threads).ok().filter(|count| *count > 0);
        let cores = || std::thread::available_parallelism().map_or(1, Into::into);
        let thread_count = threads.unwrap_or_else(cores);
        let frame_len_max = options.client.message_size_limit.len();
        let mut hub = settings.hub(seed);
        if demo {
            // What a bare client says is quoted, where some bytes take six.
            hub.limits.publication_len_max = 6 * frame_len_max + 64;
        }
        let rules = settings.door.clone();
        let takes_names = demo && !rules.tokens.has_keys();
        let node = Node::start(NodeConfig {
            io: options.engine.io,
            thread_count,
            hub: Arc::new(hub),
            memory: memory::Limits::default(),
            frames: FrameLimits { frame_len_max, ..FrameLimits::default() },
            verifier: Box::new(move || {
                if takes_names {
                    Box::new(demo::NamesForTokens)
                } else {
                    Box::new(rules.verifier(seed))
                }
            }),
        })?;
        let server = Server::new()
            // The door has looked at it already.
            .origins(OriginPolicy::Any)
            // Whoever publishes secrets beside what strangers say should not compress them together
            // (RFC 7692 §8), so a window is never kept from one message to the next.
            .deflate(DeflateConfig::small_memory());
        let api = Api {
            node: node.handle().clone(),
            keys: settings.api_keys.clone(),
            body_len_max: options.api.request_size_limit.len(),
            limits: ApiLimits::default(),
        };
        Ok(Self {
            node,
            door: Door::new(settings.door.clone(), thread_count, seed),
            server,
            tls: settings.tls.clone().map(TlsAcceptor::from),
            frame_len_max,
            api,
            demo,
            operator_public: options.operator.public,
            log_lines_dropped: Arc::default(),
            drain_within: options.drain_within,
            run,
        })
    }

    /// Tells in the metrics how many lines of the log were dropped, which somebody else counts.
    #[must_use]
    pub fn log_lines_dropped(mut self, count: Arc<AtomicU64>) -> Self {
        self.log_lines_dropped = count;
        self
    }

    /// Whether clients have to speak TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("node", &self.node)
            .field("demo", &self.demo)
            .finish_non_exhaustive()
    }
}

/// The key of all maps, by the system's generator.
fn random_seed() -> io::Result<Seed> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let half = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(Seed::new([half(&key[..8]), half(&key[8..])]))
}

fn random_run() -> io::Result<u32> {
    let mut run = [0; 4];
    getrandom::fill(&mut run).map_err(io::Error::other)?;
    Ok(u32::from_be_bytes(run))
}

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

/// Serves `clients` until `stop` is ready; then sessions are told to go elsewhere, and this returns once they
/// have ended. Until then the `operator` is answered.
pub async fn serve(
    clients: Listeners,
    operator: Listeners,
    site: Site,
    stop: impl Future<Output = ()>,
) {
    let Site { node, door, server, tls, frame_len_max, api, demo, .. } = site;
    let drain_within = site.drain_within;
    let (alive, mut all_ended) = mpsc::channel(1);
    let handle = node.handle().clone();
    let shared = Arc::new(Shared {
        node: handle.clone(),
        door,
        server,
        tls,
        frame_len_max,
        api,
        demo,
        operator_public: site.operator_public,
        log_lines_dropped: site.log_lines_dropped,
        draining: AtomicBool::new(false),
        requests: RequestIds::new(site.run),
        alive: alive.downgrade(),
    });
    let mut beside = JoinSet::new(); // which ends them when it is dropped
    beside.spawn(operator::serve(operator, Arc::clone(&shared)));
    let (stopping, stopped) = watch::channel(());
    let (accepted, mut connections) = mpsc::channel(ACCEPTED_MAX);
    clients.accept_into(&accepted);
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
    shared.draining.store(true, Ordering::Relaxed);
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
    stopped: watch::Receiver<()>,
) {
    let tls = shared.tls.clone();
    let respond = move |request| {
        let shared = Arc::clone(&shared);
        async move { respond(request, peer, &shared).await }
    };
    let Some(tls) = tls else {
        return speak_over(io, peer, stopped, respond).await;
    };
    match timeout(HEAD_WITHIN, tls.accept(io)).await {
        Ok(Ok(io)) => speak_over(io, peer, stopped, respond).await,
        Ok(Err(error)) => debug!(%peer, "TLS failed: {error}"),
        Err(_) => debug!(%peer, "TLS took too long"),
    }
}

async fn speak_over<R: Future<Output = Response<Body>>>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    mut stopped: watch::Receiver<()>,
    respond: impl Fn(Request<Incoming>) -> R,
) {
    let service = service_fn(|request| {
        let response = respond(request);
        async move { Ok::<_, Infallible>(response.await) }
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
        Ok(Newcomer { caller, seat, credentials: visitor.credentials })
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
    Ok(answer)
}

/// Somebody who has been let in, and is about to become a session.
#[derive(Debug)]
struct Newcomer {
    caller: Caller,
    seat: Seat,
    credentials: Option<Credentials>,
}

impl Newcomer {
    /// `None` if the system has no random numbers, so that nobody can get a name.
    fn speaking(self, dialect: Dialect) -> Option<Guest> {
        let Self { caller: Caller { request, peer }, seat, credentials } = self;
        let who = Who { client: node::new_client().ok()?, peer };
        Some(Guest { who, request, dialect, credentials, seat })
    }
}
