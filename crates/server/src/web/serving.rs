//! [`serve`]: connections from their first byte to their last, and the end of all of them.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tracing::{debug, error, warn};

use super::{
    Shared, body::Body, operator, patience::Patient, request::RequestIds, respond, site::Site,
};
use crate::listen::Listeners;

/// Connections that are accepted and wait for their turn. Beyond, the kernel's queue fills.
const ACCEPTED_MAX: usize = 64;

/// Connections that speak HTTP at one time; further ones wait. WebSockets are counted elsewhere.
const HTTP_COUNT_MAX: usize = 16 << 10;

/// How long a client may take for the head of a request, the first and each further one.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what it is told. Beyond, its connection ends.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether there are still sessions that have to be heard, while they are being ended.
const STREAMS_EVERY: Duration = Duration::from_millis(50);

/// How long a stop may take beyond the time over which it is spread: a little more than a closing
/// handshake.
const STOP_WITHIN: Duration = Duration::from_secs(6);

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
    let (accepted, connections) = mpsc::channel(ACCEPTED_MAX);
    clients.accept_into(&accepted);
    let places = Arc::new(Semaphore::new(HTTP_COUNT_MAX));
    let mut accepting = Accepting { connections, places, shared: Arc::clone(&shared), alive };
    tokio::select! {
        () = stop => {}
        () = accepting.run(&stopped) => {} // it ends with the listeners, which do not end
    }
    shared.draining.store(true, Ordering::Relaxed);
    drop(stopping);
    let mut hearing = JoinSet::new();
    if handle.stream_count() > 0 {
        hearing.spawn(accepting.run_for_streams());
    } else {
        drop(accepting); // which ends it at once
    }
    let ending = async {
        handle.drain(drain_within).await;
        drop(hearing); // which ends that, too
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

/// Connections as they come.
struct Accepting {
    connections: mpsc::Receiver<(TcpStream, SocketAddr)>,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    alive: mpsc::Sender<Infallible>,
}

impl Accepting {
    /// Accepts them until it is dropped; each ends when it may, once `stopped` says so.
    async fn run(&mut self, stopped: &watch::Receiver<()>) {
        // Whoever says nothing leaves its place after `HEAD_WITHIN`.
        while let Ok(place) = Arc::clone(&self.places).acquire_owned().await
            && let Some((io, peer)) = self.connections.recv().await
        {
            let (shared, alive) = (Arc::clone(&self.shared), self.alive.clone());
            let stopped = stopped.clone();
            tokio::spawn(async move {
                speak_http(io, peer, shared, stopped).await;
                drop((place, alive));
            });
        }
    }

    /// Accepts them for as long as there are sessions that are heard by requests of their own: each may say
    /// something until its turn comes to be told to go. Nobody else comes in.
    async fn run_for_streams(mut self) {
        let node = self.shared.node.clone();
        let (_ending, ended) = watch::channel(()); // it is dropped with this
        let no_streams = async {
            while node.stream_count() > 0 {
                sleep(STREAMS_EVERY).await;
            }
        };
        tokio::select! {
            () = self.run(&ended) => {}
            () = no_streams => {}
        }
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

pub(super) async fn speak_over<R: Future<Output = Response<Body>>>(
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
        .serve_connection(TokioIo::new(Patient::new(io, READ_WITHIN)), service)
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
