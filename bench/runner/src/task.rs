//! The kinds of work that servers are measured at. Each is a section of the report.

use crate::scenario::Scenario;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// What was sent comes back, on the same connection.
    Echo,
    /// What one connection sends comes to all of them, its own included.
    Fanout,
    /// Connect, upgrade, close.
    Handshakes,
    /// An echo over TLS.
    Tls,
    /// An echo of compressed messages (permessage-deflate), each on its own.
    Deflate,
    /// The same with history, in both directions.
    DeflateTakeover,
    /// Connections that say nothing, before their first message and after it.
    Idle,
    /// The same over TLS.
    TlsIdle,
    /// What one session publishes to a recoverable channel comes to all who are subscribed.
    ServerFanout,
    /// Publications to one channel in which nobody is.
    ServerPublish,
    /// Publications to ten thousand channels in which nobody is, in turn.
    ServerPublishSpread,
    /// Connect, a session, a subscription, close.
    ServerSessions,
    /// All sessions come back at once, and each has missed something.
    ServerStorm,
    /// Sessions that say nothing, in a channel that all have in common.
    ServerIdle,
    /// The same, each in a channel of its own.
    ServerIdleOwn,
}

impl Task {
    /// In the order in which they are measured and reported.
    pub(crate) const ALL: &[Self] = &[
        Self::Echo,
        Self::Fanout,
        Self::Handshakes,
        Self::Tls,
        Self::Deflate,
        Self::DeflateTakeover,
        Self::Idle,
        Self::TlsIdle,
        Self::ServerFanout,
        Self::ServerPublish,
        Self::ServerPublishSpread,
        Self::ServerSessions,
        Self::ServerStorm,
        Self::ServerIdle,
        Self::ServerIdleOwn,
    ];

    /// The task's name on the command line, and of its section in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Fanout => "fanout",
            Self::Handshakes => "handshakes",
            Self::Tls => "tls",
            Self::Deflate => "deflate",
            Self::DeflateTakeover => "deflate-takeover",
            Self::Idle => "idle",
            Self::TlsIdle => "tls-idle",
            Self::ServerFanout => "server-fanout",
            Self::ServerPublish => "server-publish",
            Self::ServerPublishSpread => "server-publish-spread",
            Self::ServerSessions => "server-sessions",
            Self::ServerStorm => "server-storm",
            Self::ServerIdle => "server-idle",
            Self::ServerIdleOwn => "server-idle-own",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|task| task.name() == name)
    }

    /// What a server is started for: one that idles is one that would echo.
    pub(crate) const fn served_as(self) -> Self {
        match self {
            Self::Echo | Self::Idle => Self::Echo,
            Self::Tls | Self::TlsIdle => Self::Tls,
            _ => self,
        }
    }

    /// Whether it is memory that is measured.
    pub(crate) const fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::TlsIdle | Self::ServerIdle | Self::ServerIdleOwn)
    }

    /// Whether it is for servers that know sessions and channels.
    pub(crate) const fn is_of_sessions(self) -> bool {
        matches!(
            self,
            Self::ServerFanout
                | Self::ServerPublish
                | Self::ServerPublishSpread
                | Self::ServerSessions
                | Self::ServerStorm
                | Self::ServerIdle
                | Self::ServerIdleOwn
        )
    }

    pub(crate) const fn is_deflate(self) -> bool {
        matches!(self, Self::Deflate | Self::DeflateTakeover)
    }

    /// What is measured where nobody asked for a scenario: the cells for which the project has
    /// aims, and one for each question beside them. The whole product of sizes, connections and
    /// messages in flight would take hours.
    pub(crate) const fn scenarios(self) -> &'static [&'static str] {
        match self {
            Self::Echo => &[
                "20x100x1",
                "125x1x1",
                "125x100x1",
                "text:125x100x1",
                "125x1000x1",
                "125x10000x1",
                "1KiBx100x1",
                "16KiBx100x1",
                "20x100x16",
                "125x100x16",
                "text:1KiBx100x16",
                "256KiBx10x1",
                "1MiBx10x1",
            ],
            Self::Fanout => &[
                "125x100x1",
                "125x1000x1",
                "125x10000x1",
                "125x100x16",
                "125x1000x16",
                "125x10000x16",
            ],
            Self::Handshakes | Self::ServerSessions => &["0x100x1"],
            Self::Tls => &["125x100x1", "16KiBx100x1", "125x100x16"],
            Self::Deflate | Self::DeflateTakeover => &["text:1KiBx100x1"],
            Self::Idle | Self::TlsIdle | Self::ServerIdle | Self::ServerIdleOwn => &["125x10000x1"],
            Self::ServerFanout => &["125x1000x1", "125x10000x1", "125x1000x16", "125x10000x16"],
            Self::ServerPublish => &["125x10x16", "125x10000x16"],
            Self::ServerPublishSpread => &["125x10x16"],
            Self::ServerStorm => &["0x10000x1"],
        }
    }

    /// The servers that ratios of `scenario` are to, the best first: one that is absent gives its
    /// place to the next.
    pub(crate) const fn references(self, scenario: &Scenario) -> &'static [&'static str] {
        match self {
            // A raw loop sends the beginning of a large message back before the end has come, and
            // never holds a whole one: that is other work. Aims compare with the fastest library.
            Self::Echo if scenario.payload_len > LARGE_LEN => &["tokio-websockets", "raw-epoll"],
            Self::Echo
            | Self::Handshakes
            | Self::Idle
            | Self::ServerPublish
            | Self::ServerPublishSpread
            | Self::ServerSessions
            | Self::ServerStorm
            | Self::ServerIdle
            | Self::ServerIdleOwn => &["raw-epoll"],
            Self::Fanout | Self::ServerFanout => &["raw-send-epoll"],
            Self::Deflate | Self::DeflateTakeover => &["yawc"],
            // Nobody can do TLS without doing it; Bun's is BoringSSL under uWebSockets.
            Self::Tls | Self::TlsIdle => &["bun", "tokio-tungstenite-tuned"],
        }
    }
}

const LARGE_LEN: usize = 128 << 10;
