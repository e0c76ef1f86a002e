//! The bare dialect of the chat: text, and nothing around it.
//!
//! A WebSocket to `/` is in the room: what it sends is said by `User`, and what is said reaches it as
//! `name: text`. So a page with `new WebSocket('ws://localhost:8080')`, an input and a log works as it is.

use serde::{Deserialize, Serialize};
use tidewire_engine::proto::{CloseCode, CloseFrame};
use tidewire_hub::{Data, Disconnect, Publication};

use super::dialect::json;

/// The channel that is the room.
pub(crate) const ROOM: &str = crate::demo::ROOM;

/// What somebody is called who has not said a name.
const NOBODY: &str = "User";

/// What is published to the room.
#[derive(Debug, Serialize, Deserialize)]
struct Said<T> {
    text: T,
}

/// What a bare client has sent, as it is published.
pub(crate) fn said(text: &str) -> Option<Data> {
    Some(json(serde_json::to_string(&Said { text }).ok()?))
}

/// Appends what was said, and by whom. What somebody has published to the room that is not said in
/// this way is not for bare clients.
pub(crate) fn publication(out: &mut String, publication: &Publication) {
    let Data::Json(data) = &publication.data else { return };
    let Ok(Said { text }) = serde_json::from_str::<Said<String>>(data) else { return };
    let name = publication.publisher.as_ref().map_or("", |member| member.user.as_str());
    out.push_str(if name.is_empty() { NOBODY } else { name });
    out.push_str(": ");
    out.push_str(&text);
}

/// The Close frame by which a bare client's session ends: it knows the codes of RFC 6455 §7.4.1 alone.
pub(crate) fn close_frame(why: Disconnect) -> CloseFrame {
    let (code, reason) = match why {
        Disconnect::Shutdown | Disconnect::ForceReconnect | Disconnect::ForceNoReconnect => {
            (CloseCode::GOING_AWAY, "the server stops")
        }
        Disconnect::Slow => (CloseCode::TRY_AGAIN_LATER, "reads too slowly"),
        Disconnect::ConnectionLimit => (CloseCode::TRY_AGAIN_LATER, "the room is full"),
        Disconnect::TooManyRequests => (CloseCode::POLICY_VIOLATION, "too much at once"),
        Disconnect::BadRequest => (CloseCode::UNSUPPORTED_DATA, "this room takes text alone"),
        Disconnect::ServerError => (CloseCode::INTERNAL_ERROR, ""),
        _ => (CloseCode::POLICY_VIOLATION, ""),
    };
    CloseFrame::new(code, reason).unwrap_or(CloseFrame::EMPTY)
}
