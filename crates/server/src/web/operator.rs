//! What the operator asks: whether it lives, whether it is ready, and what has been measured.
//!
//! It is not for everybody, so it has listeners of its own, which stay until the very end: somebody has to be
//! told that no new clients should be sent here any more.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::error;

use super::{
    Shared,
    answer::{sentence, whole},
    body::Body,
    metrics::{self, Readings},
    serving::speak_over,
};
use crate::listen::Listeners;

/// Connections at one time: probes and a scraper or two. Further ones wait.
const CONNECTION_COUNT_MAX: usize = 64;

/// How long a thread may take to do nothing. Beyond, it counts as stuck.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Answers the operator until it is dropped.
pub(crate) async fn serve(listeners: Listeners, shared: Arc<Shared>) {
    let (accepted, mut connections) = mpsc::channel(1);
    listeners.accept_into(&accepted);
    drop(accepted); // the listeners have their own
    let (_never, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            Some((io, peer)) = connections.recv(), if tasks.len() < CONNECTION_COUNT_MAX => {
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                let respond = move |request| {
                    let shared = Arc::clone(&shared);
                    async move { respond(&request, &shared).await }
                };
                tasks.spawn(speak_over(io, peer, stopped, respond));
            }
            Some(_) = tasks.join_next() => {}
            else => break, // there are no listeners
        }
    }
}

async fn respond<B>(request: &Request<B>, shared: &Shared) -> Response<Body> {
    let nothing = || sentence(StatusCode::NOT_FOUND, "There are /health and /metrics here.");
    answer(request, shared).await.unwrap_or_else(nothing)
}

/// The answer to what operators ask; `None` for everything else.
pub(crate) async fn answer<B>(request: &Request<B>, shared: &Shared) -> Option<Response<Body>> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/health" | "/health/live" | "/health/ready") {
        return None;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer =
            sentence(StatusCode::METHOD_NOT_ALLOWED, "This can be read by GET and HEAD alone.");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(answer);
    }
    Some(match path {
        "/metrics" => measured(shared),
        "/health/live" => live(shared).await,
        // Whoever asks for health as such wants to know whether clients can be sent here.
        _ if shared.is_draining() => unhealthy("The server stops, and takes nobody any more."),
        _ => live(shared).await,
    })
}

async fn live(shared: &Shared) -> Response<Body> {
    if shared.node.answers(ALIVE_WITHIN).await {
        sentence(StatusCode::OK, "ok")
    } else {
        unhealthy("A thread does not answer.")
    }
}

fn unhealthy(why: &str) -> Response<Body> {
    sentence(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn measured(shared: &Shared) -> Response<Body> {
    let Shared { node, door, api, log_lines_dropped, .. } = shared;
    let readings = Readings::take(node, door, &api.calls, shared.is_draining(), log_lines_dropped);
    match readings.exposition() {
        Ok(text) => whole(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => {
            error!("metrics cannot be written: {error}");
            sentence(StatusCode::INTERNAL_SERVER_ERROR, "This was not meant to happen.")
        }
    }
}
