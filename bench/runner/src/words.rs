//! What a report says of each kind of work.

use crate::task::Task;

const DEFLATE: &str = "JSON comes compressed and goes back compressed by the server. `bytes back` is a message as it\n\
    went over the wire, frame and all: times compare where these do.";

/// What a section says of its task.
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    /// What the server's CPU time is divided by.
    pub(crate) piece: &'static str,
    pub(crate) pieces: &'static str,
}

impl Words {
    pub(crate) fn of(task: Task) -> Self {
        match task {
            Task::Echo => Self {
                title: "Echo: server CPU time per message",
                what: "Every message comes back on the connection it came by.",
                piece: "message",
                pieces: "messages",
            },
            Task::Fanout => Self {
                title: "Fan-out: server CPU time per delivery",
                what: "One connection publishes, the server sends to every connection. The work is\n\
                       named SIZExRECEIVERSxBURST: so many messages are published in one write.",
                piece: "delivery",
                pieces: "deliveries",
            },
            Task::Handshakes => Self {
                title: "Handshakes: server CPU time per connection",
                what: "Connect, upgrade, a Close each way, end. The second number of the work is how\n\
                       many are under way at once; there are no messages.",
                piece: "handshake",
                pieces: "handshakes",
            },
            Task::Tls => Self {
                title: "TLS echo: server CPU time per message",
                what: "TLS 1.3 with AES-128-GCM, handshakes not counted.",
                piece: "message",
                pieces: "messages",
            },
            Task::Deflate => Self {
                title: "permessage-deflate without context takeover: server CPU time per message",
                what: DEFLATE,
                piece: "message",
                pieces: "messages",
            },
            Task::DeflateTakeover => Self {
                title: "permessage-deflate with context takeover: server CPU time per message",
                what: DEFLATE,
                piece: "message",
                pieces: "messages",
            },
            Task::TlsIdle => Self {
                title: "TLS idle: memory per connection",
                what: "Over TLS: growth of the server's resident memory (RSS)",
                piece: "connection",
                pieces: "connections",
            },
            Task::Idle => Self {
                title: "Idle: memory per connection",
                what: "Growth of the server's resident memory (RSS)",
                piece: "connection",
                pieces: "connections",
            },
        }
    }
}
