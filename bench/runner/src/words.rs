//! What a report says of each kind of work.

use crate::task::Task;

const DEFLATE: &str = "JSON comes compressed and goes back compressed by the server. `bytes back` is a message as it\n\
    went over the wire, frame and all: times compare where these do.";

const PUBLISH: &str = "Up to ten sessions publish to channels with history in which nobody is subscribed, each the next\n\
    window when all of the last one is answered. All other sessions, if the second number is higher, are each in\n\
    a channel of their own. The reference echoes the data alone, on ten connections.";

/// What a section says of its task.
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    /// What the server's CPU time is divided by.
    pub(crate) piece: &'static str,
    pub(crate) pieces: &'static str,
}

impl Words {
    #[expect(clippy::too_many_lines, reason = "a table")]
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
            Task::ServerFanout => Self {
                title: "Server, fan-out: server CPU time per delivery",
                what: "One session publishes to a channel with history and recovery, and all that are subscribed\n\
                       get it, itself too: the centrifuge protocol in JSON. The work is named SIZExSUBSCRIBERSxBURST;\n\
                       the size is that of the published JSON. Servers that know no channels send frames as long\n\
                       as the server's pushes.",
                piece: "delivery",
                pieces: "deliveries",
            },
            Task::ServerPublish => Self {
                title: "Server, publishing to one channel: server CPU time per publication",
                what: PUBLISH,
                piece: "publication",
                pieces: "publications",
            },
            Task::ServerPublishSpread => Self {
                title: "Server, publishing to 10,000 channels: server CPU time per publication",
                what: PUBLISH,
                piece: "publication",
                pieces: "publications",
            },
            Task::ServerSessions => Self {
                title: "Server, connect and subscribe: server CPU time per session",
                what: "Connect, upgrade, a session, a subscription with recovery and presence in a channel that\n\
                       all have in common, a Close each way, end. The second number of the work is how many are\n\
                       under way at once. The reference sends the upgrade request back, and sees the end.",
                piece: "session",
                pieces: "sessions",
            },
            Task::ServerStorm => Self {
                title: "Server, a storm: server CPU time per session",
                what: "So many sessions as the second number says come back at once, each to a channel of its own\n\
                       in which it has missed one publication, and each must recover it. The reference is that of\n\
                       the sessions above.",
                piece: "session",
                pieces: "sessions",
            },
            Task::ServerIdle => Self {
                title: "Server, idle: memory per session",
                what: "All sessions are subscribed to one channel, with recovery and presence: growth of the server's\n\
                       resident memory (RSS)",
                piece: "session",
                pieces: "sessions",
            },
            Task::ServerIdleOwn => Self {
                title: "Server, idle, each in a channel of its own: memory per session",
                what: "As above, but the channels count as well: growth of the server's resident memory (RSS)",
                piece: "session",
                pieces: "sessions",
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
