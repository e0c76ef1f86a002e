//! A server for trying things out: the chat room at `/`, as a page and as a WebSocket.
//!
//! Open to everybody who reaches it, and to every page in their browsers, whatever its Origin.
//!
//! It speaks HTTP/1.1 alone: browsers speak HTTP/2 over TLS and not otherwise, and there is no TLS
//! here. Put a proxy in front that has it, and speaks HTTP/1.1 to us.
//!
//! HTTP runs on tokio. After its `101` a connection is taken apart down to the socket, and lives on
//! an engine, with the room.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidewire::{
    DeflateConfig, HandshakeError, Server,
    hyper::{Body, Handshake, Parts, Upgrading},
    proto::handshake::{ApiMisuse, OriginPolicy, Rejection},
};
use tidewire_engine::{Adopted, Engine, Io, MailboxFull, Remote};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};
use tracing::{debug, error, info, warn};

use crate::{
    chat::{Chat, ChatLimits, Command, Guest, SUBPROTOCOL},
    listen::Listeners,
    pages,
};

/// Connections that are accepted and wait for their turn. Beyond, the kernel's queue fills.
const ACCEPTED_MAX: usize = 64;

/// Connections that speak HTTP at one time; further ones wait. Those in the room are counted there.
const HTTP_COUNT_MAX: usize = 1024;

/// How long a client may take for the head of a request, the first and each further one.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may speak HTTP. A page needs a second; a peer that asks and never reads
/// would keep its place for ever.
const HTTP_WITHIN: Duration = Duration::from_secs(60);

/// How long a stop may take: a little more than a closing handshake.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// Everything that the connections share.
struct Shared {
    room: Remote<Chat>,
    member_count_max: usize,
    server: Server,
    /// Every task holds one; when the last one has ended, so have they.
    alive: mpsc::WeakSender<Infallible>,
}

/// The chat room, on an engine of its own. [`serve`] lets people in.
#[derive(Debug)]
pub struct Room {
    engine: Engine<Chat>,
    member_count_max: usize,
}

impl Room {
    /// Opens it. The `epoch` tells this run's room from the last one's; `io` is what the engine is
    /// built on.
    ///
    /// # Errors
    /// If the engine does not start: the kernel does not allow that `io`, for example.
    pub fn open(io: Io, epoch: String) -> io::Result<Self> {
        let limits = ChatLimits::default();
        let member_count_max = limits.member_count_max;
        let settings = Chat::settings(&limits, io);
        let chat = move |_| Chat::new(limits.clone(), epoch.clone());
        Ok(Self { engine: Engine::start(settings, chat)?, member_count_max })
    }
}

/// Serves until `stop` is ready; then every WebSocket is closed with 1001, and this returns once
/// they have ended, or 6 s later.
pub async fn serve(listeners: Listeners, room: Room, stop: impl Future<Output = ()>) {
    let Room { engine, member_count_max } = room;
    let server = Server::new()
        // On purpose: this server is for trying things out.
        .origins(OriginPolicy::Any)
        // What the room has heard lately, and long messages; nothing that is kept for a connection.
        // Whoever talks here knows no secret that its length could tell about (RFC 7692 §8).
        .deflate(DeflateConfig::small_memory())
        .subprotocols([SUBPROTOCOL]);
    let room = engine.remote().clone();
    let (alive, mut all_ended) = mpsc::channel(1);
    let shared =
        Arc::new(Shared { room: room.clone(), member_count_max, server, alive: alive.downgrade() });
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
        close(&room).await;
        // Who gets its 101 meanwhile is sent away by the room, so the engine goes last.
        all_ended.recv().await;
        spawn_blocking(move || engine.stop(Duration::ZERO)).await
    };
    match timeout(STOP_WITHIN, ending).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => error!("the room has ended before: {error}"),
        Ok(Err(error)) => error!("the engine was not stopped: {error}"),
        Err(_) => warn!("some connections have not ended within {STOP_WITHIN:?}"),
    }
}

/// Closes every WebSocket with 1001. By the time this is done, so is that.
async fn close(room: &Remote<Chat>) {
    let (done, closed) = oneshot::channel();
    if room.tell(0, Command::Close(done)).is_ok() {
        // It is only dropped with the engine's thread.
        let _ = closed.await;
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
        async move { Ok::<_, Infallible>(answer(request, peer, &shared)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = until_over(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let Ok(result) = timeout(HEAD_WITHIN, connection).await else {
                return debug!(%peer, "HTTP ended: what was answered is not read");
            };
            result
        }
    };
    if let Err(error) = result {
        debug!(%peer, "HTTP ended: {error}");
    }
}

/// Until the server stops, or HTTP has been spoken for long enough.
async fn until_over(stopped: &mut watch::Receiver<()>) {
    // Either is a reason; which one it was does not matter.
    let _ = timeout(HTTP_WITHIN, stopped.changed()).await;
}

fn answer(
    mut request: http::Request<Incoming>,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> http::Response<Body> {
    match tidewire::hyper::handshake(&mut request, &shared.server) {
        Ok(handshake) => enter(handshake, peer, shared).unwrap_or_else(|misuse| {
            warn!(%peer, "cannot answer: {misuse}");
            pages::sentence(StatusCode::INTERNAL_SERVER_ERROR, "This was not meant to happen.")
        }),
        Err(refused) => match refused.error() {
            HandshakeError::NotWebSocket => pages::page(&request),
            error => {
                info!(%peer, "handshake refused: {error}");
                refused.into_response()
            }
        },
    }
}

fn enter(
    handshake: Handshake,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<http::Response<Body>, ApiMisuse> {
    let request = handshake.request();
    if request.path() != "/" {
        info!(%peer, path = request.path(), "handshake refused: no such room");
        return handshake
            .reject(&Rejection::new(404, "There is no room here; there is one at /.")?);
    }
    if shared.room.connection_count() >= shared.member_count_max {
        info!(%peer, "handshake refused: the room is full");
        let full = Rejection::new(503, "The room is full.")?.header("Retry-After", "10")?;
        return handshake.reject(&full);
    }
    let origin = request.origin().map(str::to_owned);
    let (response, upgrading) = match handshake.accept() {
        Ok(accepted) => accepted,
        Err(refused) => return Ok(refused.into_response()),
    };
    let (shared, alive) = (Arc::clone(shared), shared.alive.upgrade());
    tokio::spawn(async move {
        if let Err(error) = hand_over(upgrading, origin, peer, &shared.room).await {
            info!(%peer, "gone before it was open: {error}");
        }
        drop(alive);
    });
    Ok(response)
}

/// Waits until the `101` has been written; then the socket is the engine's.
async fn hand_over(
    upgrading: Upgrading,
    origin: Option<String>,
    peer: SocketAddr,
    room: &Remote<Chat>,
) -> io::Result<()> {
    let Parts { upgraded, subprotocol, deflate, .. } = upgrading.into_parts().await?;
    // As `speak_http` has given it to hyper.
    let http = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .map_err(|_| io::Error::other("hyper has another connection than it was given"))?;
    let socket = http.io.into_inner().into_std()?;
    let guest = Guest { peer, origin, subprotocol };
    let adopted = Adopted::new(socket, http.read_buf.into(), guest).deflate(deflate);
    room.adopt(adopted).map_err(|_| io::Error::other(MailboxFull))
}
