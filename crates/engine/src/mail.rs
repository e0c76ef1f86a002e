//! [`Mail`]: what one thread may say to another.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use rustix::fd::OwnedFd;
use tidewire_proto::{CloseFrame, Outgoing, Prepared};

use crate::{engine::Adopted, handler::Handler, id::ConnectionId, mailbox::Weigh, opening::Door};

pub(crate) enum Mail<H: Handler> {
    Accepted { socket: OwnedFd, door: Arc<Door<H::Guest>> },
    Adopt(Box<Adopted<H::Guest>>),
    Listen { socket: OwnedFd, door: Arc<Door<H::Guest>> },
    Send { id: ConnectionId, message: Outgoing<'static> },
    Many { ids: Vec<ConnectionId>, message: Prepared },
    Publish { topic: Bytes, message: Prepared },
    Close { id: ConnectionId, frame: CloseFrame },
    PauseReading(ConnectionId),
    ResumeReading(ConnectionId),
    Command(H::Command),
}

impl<H: Handler> Weigh for Mail<H> {
    /// What several threads share counts for each of them. What a command holds beside itself is the
    /// program's to bound.
    fn weight(&self) -> usize {
        let held = match self {
            Self::Accepted { .. }
            | Self::Listen { .. }
            | Self::PauseReading(_)
            | Self::ResumeReading(_)
            | Self::Command(_) => 0,
            Self::Adopt(adopted) => size_of_val(&**adopted) + adopted.unread.len(),
            Self::Send { message, .. } => message.len(),
            Self::Many { ids, message } => size_of_val(&ids[..]) + message.payload().len(),
            Self::Publish { topic, message } => topic.len() + message.payload().len(),
            Self::Close { frame, .. } => frame.reason().len(),
        };
        size_of::<Self>() + held
    }
}

impl<H: Handler> fmt::Debug for Mail<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail") // what it says may be anybody's secret
    }
}
