//! [`Dialect`]: what a session speaks, and what it looks like on its transport.

use tidewire_dialects::centrifuge::{self, Framing, Greeting};
use tidewire_engine::proto::{CloseCode, CloseFrame};
use tidewire_hub::{
    ChannelName, CommandId, Data, Error, Farewell, Member, Publication, Push, Reply, Variant,
};

use super::bare;

const _: () = assert!(Dialect::COUNT <= Variant::COUNT_MAX);

/// What a session speaks. Each is a [`Variant`] of the hub: what many of one receive is encoded once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The centrifuge protocol in JSON.
    Centrifuge(Framing),
    /// Text, and nothing around it: see [`bare`].
    Bare,
}

impl Dialect {
    /// As many as there are.
    pub(crate) const COUNT: usize = 4;

    /// In the order of their variants.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Centrifuge(Framing::WebSocket),
        Self::Centrifuge(Framing::Sse),
        Self::Centrifuge(Framing::HttpStream),
        Self::Bare,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|dialect| *dialect == self).unwrap_or_default()
    }

    pub(crate) fn variant(self) -> Variant {
        Variant(u8::try_from(self.index()).unwrap_or_default())
    }

    pub(crate) fn of(variant: Variant) -> Self {
        Self::ALL.get(usize::from(variant.0)).copied().unwrap_or(Self::Bare)
    }

    /// What carries it and what it is, for logs and metrics.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Centrifuge(Framing::WebSocket) => ("websocket", "centrifuge_json"),
            Self::Centrifuge(Framing::Sse) => ("sse", "centrifuge_json"),
            Self::Centrifuge(Framing::HttpStream) => ("http_stream", "centrifuge_json"),
            Self::Bare => ("websocket", "bare"),
        }
    }

    /// Appends a publication; nothing where the dialect has no words for it.
    pub(crate) fn publication(
        self,
        out: &mut String,
        channel: &ChannelName,
        publication: &Publication,
    ) {
        match self {
            Self::Centrifuge(framing) => {
                framing.line(out, |out| centrifuge::publication(out, channel, publication));
            }
            Self::Bare => bare::publication(out, publication),
        }
    }

    /// Appends that somebody came or left.
    pub(crate) fn announcement(
        self,
        out: &mut String,
        channel: &ChannelName,
        member: &Member,
        came: bool,
    ) {
        match self {
            Self::Centrifuge(framing) => {
                framing.line(out, |out| centrifuge::announcement(out, channel, member, came));
            }
            Self::Bare => {}
        }
    }

    /// Appends what one session is told.
    pub(crate) fn push(self, out: &mut String, push: &Push) {
        match (self, push) {
            (Self::Centrifuge(framing), Push::Disconnect(_) | Push::Dismissed(_))
                if !framing.disconnects_by_push() => {}
            (Self::Centrifuge(framing), _) => {
                framing.line(out, |out| centrifuge::push(out, push));
            }
            (Self::Bare, Push::Publication { publication, .. }) => {
                bare::publication(out, publication);
            }
            (Self::Bare, _) => {}
        }
    }

    /// Appends the answer to a command.
    pub(crate) fn reply(
        self,
        out: &mut String,
        id: CommandId,
        reply: &Result<Reply, Error>,
        greeting: &Greeting<'_>,
    ) {
        match self {
            Self::Centrifuge(framing) => {
                framing.line(out, |out| centrifuge::reply(out, id, reply, greeting));
            }
            Self::Bare => {}
        }
    }

    /// The Close frame by which a session ends.
    pub(crate) fn close_frame(self, end: &Farewell) -> CloseFrame {
        // The protocol's codes are all in the range for applications (RFC 6455 §7.4.2).
        let frame = |code, reason: &str| {
            CloseFrame::new(CloseCode::new(code), reason).unwrap_or(CloseFrame::EMPTY)
        };
        match (self, end) {
            (Self::Centrifuge(_), Farewell::Ours(why)) => {
                let code = centrifuge::disconnect_code(*why);
                frame(code.code, code.reason)
            }
            (Self::Centrifuge(_), Farewell::Own(own)) => frame(own.code, &own.reason),
            (Self::Bare, end) => bare::close_frame(end.why()),
        }
    }
}

/// JSON that somebody else has checked.
pub(crate) fn json(text: String) -> Data {
    Data::Json(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_is_one_variant() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::of(dialect.variant()), dialect);
        }
    }
}
