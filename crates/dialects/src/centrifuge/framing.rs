//! [`Framing`]: how lines leave together.

/// How a transport tells one line from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "each is a way of its own")]
pub enum Framing {
    /// Text messages of a WebSocket: a newline *between* lines, so that one line alone is a message as it is.
    WebSocket,
    /// Server-sent events: a line is an event.
    Sse,
    /// A response without end: a newline after each line.
    HttpStream,
}

impl Framing {
    /// What a response begins with, before there is anything to say: some clients and proxies take a
    /// connection for open only when something came.
    pub const fn preamble(self) -> &'static str {
        match self {
            Self::Sse => "\r\n",
            Self::WebSocket | Self::HttpStream => "",
        }
    }

    /// The media type of a response.
    pub const fn content_type(self) -> Option<&'static str> {
        match self {
            Self::WebSocket => None,
            Self::Sse => Some("text/event-stream; charset=utf-8"),
            Self::HttpStream => Some("application/json"),
        }
    }

    /// Whether the end of a session is told by a [push](super::push()). Over WebSocket it is told by the
    /// Close frame.
    pub const fn disconnects_by_push(self) -> bool {
        !matches!(self, Self::WebSocket)
    }

    /// Appends what `write` appends, which has to be one line, to what leaves together in `out`.
    pub fn line(self, out: &mut String, write: impl FnOnce(&mut String)) {
        match self {
            Self::WebSocket => {
                if !out.is_empty() {
                    out.push('\n');
                }
                write(out);
            }
            Self::Sse => {
                out.push_str("data: ");
                write(out);
                out.push_str("\n\n");
            }
            Self::HttpStream => {
                write(out);
                out.push('\n');
            }
        }
    }
}
