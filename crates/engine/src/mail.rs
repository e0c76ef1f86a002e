//! [`Mail`]: what one thread may say to another.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use rustix::fd::OwnedFd;
use tidewire_proto::{CloseFrame, Outgoing, Prepared};

use crate::{engine::Adopted, handler::Handler, id::ConnectionId, opening::Door};

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

impl<H: Handler> fmt::Debug for Mail<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail") // what it says may be anybody's secret
    }
}
