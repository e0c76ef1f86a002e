//! WebSockets: the opening handshake here, and then the node.

use std::{io, sync::Arc};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tidewire::{
    HandshakeError,
    hyper::{Handshake, Parts, Upgrading},
    proto::handshake::{Accept, ApiMisuse},
};
use tidewire_engine::Adopted;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument as _, info, warn};

use super::{
    Newcomer, Shared, answer::sentence, body::Body, patience::Patient, stream::overloaded,
};
use crate::{
    door::BEARER,
    node::{Dialect, Guest, NodeHandle},
};

/// The subprotocol that clients of the centrifuge protocol may offer; most offer none.
const CENTRIFUGE: &str = "centrifuge-json";

/// Opens a WebSocket for a session that speaks this.
pub(crate) fn open(
    mut request: Request<Incoming>,
    dialect: Dialect,
    newcomer: Newcomer,
    shared: &Arc<Shared>,
) -> Response<Body> {
    let handshake = match tidewire::hyper::handshake(&mut request, &shared.server) {
        Ok(handshake) => handshake,
        Err(refused) => {
            if !matches!(refused.error(), HandshakeError::NotWebSocket) {
                info!("handshake refused: {}", refused.error());
            }
            return refused.into_response().map(Body::from);
        }
    };
    let Some(guest) = newcomer.speaking(dialect) else { return overloaded() };
    accept(handshake, guest, shared).unwrap_or_else(|misuse| {
        warn!("cannot answer: {misuse}");
        sentence(StatusCode::INTERNAL_SERVER_ERROR, "This was not meant to happen.")
    })
}

fn accept(
    handshake: Handshake,
    guest: Guest,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, ApiMisuse> {
    let mut accept = Accept::new();
    if let Some(subprotocol) = subprotocol(&handshake) {
        accept = accept.subprotocol(subprotocol);
    }
    let (response, upgrading) = handshake.accept_with(&accept)?;
    let (node, alive) = (shared.node.clone(), shared.alive.upgrade());
    let handing_over = async move {
        if let Err(error) = hand_over(upgrading, guest, &node).await {
            info!("gone before it was open: {error}");
        }
        drop(alive);
    };
    tokio::spawn(handing_over.in_current_span());
    Ok(response.map(Body::from))
}

/// What is answered to the offers. `Bearer` is all that is left of a token by now, and browsers that have
/// offered something want to hear one of their offers.
fn subprotocol(handshake: &Handshake) -> Option<&'static str> {
    let is_offered = |name: &&str| handshake.request().subprotocols().any(|offer| offer == *name);
    [CENTRIFUGE, BEARER].into_iter().find(is_offered)
}

/// Waits until the `101` has been written; then the socket is the engine's.
async fn hand_over(upgrading: Upgrading, guest: Guest, node: &NodeHandle) -> io::Result<()> {
    let Parts { upgraded, deflate, .. } = upgrading.into_parts().await?;
    let adopted = match upgraded.downcast::<TokioIo<Patient<TcpStream>>>() {
        Ok(http) => {
            let socket = http.io.into_inner().into_inner().into_std()?;
            Adopted::new(socket, http.read_buf.into(), guest)
        }
        Err(upgraded) => {
            // One of the two is what hyper was given.
            let http = upgraded
                .downcast::<TokioIo<Patient<TlsStream<TcpStream>>>>()
                .map_err(|_| io::Error::other("hyper has another connection than it was given"))?;
            let (socket, tls) = http.io.into_inner().into_inner().into_inner();
            Adopted::new(socket.into_std()?, http.read_buf.into(), guest).tls(tls)
        }
    };
    node.adopt(adopted.deflate(deflate)).map_err(|_| io::Error::other("the node does not keep up"))
}
