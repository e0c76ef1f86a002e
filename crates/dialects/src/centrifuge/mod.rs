//! The Centrifugo client protocol, version 2, in JSON: its SDKs work here unchanged.
//!
//! # In
//!
//! A frame is text with one command a line. [`Commands`] gives them one after the other, as what hub
//! understands; the first that is [`Malformed`] ends the session.
//!
//! ```
//! use tidewire_dialects::centrifuge::{Commands, FrameLimits};
//! use tidewire_hub::{Command, CommandId};
//!
//! let frame = r#"{"id":1,"connect":{}}
//! {"id":2,"presence":{"channel":"news"}}"#;
//! let mut commands = Commands::of_frame(frame, FrameLimits::default())?;
//! assert!(matches!(commands.next(), Some(Ok((CommandId(1), Command::Connect(_))))));
//! assert!(matches!(commands.next(), Some(Ok((CommandId(2), Command::Presence { .. })))));
//! assert!(commands.next().is_none());
//! # Ok::<(), tidewire_dialects::centrifuge::Malformed>(())
//! ```
//!
//! # Out
//!
//! [`reply`], [`push()`], [`publication`] and [`announcement`] append one line each to a string; [`Framing::line`]
//! puts around it what the transport wants. Who answers many commands in one turn joins the lines in one string.
//!
//! ```
//! use tidewire_dialects::centrifuge::{self, Framing};
//! use tidewire_hub::Push;
//!
//! let mut out = String::new();
//! Framing::Sse.line(&mut out, |out| centrifuge::push(out, &Push::Ping));
//! assert_eq!(out, "data: {}\n\n");
//! ```
//!
//! A publication is the same line for all who receive it in one framing: [`publication`] once, and what comes of
//! it is shared. Replies want a [`Greeting`], since a session that connects is told what only its driver knows.
//!
//! # Without a WebSocket
//!
//! The first frame is the body of the request, or stands in its query ([`connect_frame_of_query`]). Later ones
//! come in requests of their own ([`EmulationRequest`]), by the session and node that [`Emulated`] told. The end of
//! a session is a last line ([`Framing::disconnects_by_push`]); over WebSocket it is the Close frame, whose code and
//! reason are those of [`disconnect_code`], or the application's own.
//!
//! # What is different here
//!
//! - Unknown channels look like forbidden ones (103 rather than 102), so that names cannot be tried out.
//! - Bytes go to JSON clients as a string of base64; they are no reason to end a session.
//! - Members that stand twice, more than one request in a command, and requests without an id are malformed.
//! - Filters by tags, and subscriptions to anything but a stream, are refused with "not available".
//!   Deltas and dictionaries are offers of the client's, which we do not take.
//! - Names and headers that a client claims in its connect command are not read.

mod codes;
mod commands;
mod emulation;
mod framing;
mod line;
mod push;
mod recoveries;
mod reply;
mod request;
pub(crate) mod shape;

pub use codes::{
    EndCode, ErrorCode, OWN_CODES, REASON_LEN_MAX, disconnect as disconnect_code,
    disconnect_of_code, error as error_code, unsubscribe as unsubscribe_code,
};
pub use commands::{Commands, FrameLimits, Malformed};
pub use emulation::{EmulationRequest, connect_frame_of_query};
pub use framing::Framing;
pub use push::{PING, announcement, publication, push};
pub use reply::{Emulated, Greeting, reply};
