//! WebSockets at the limit of the machine: one event loop per core.
//!
//! An [`Engine`] runs a few threads. Each has one loop and owns its connections: socket, protocol
//! state, what waits to be written. There is no task, waker, timer or buffer for an idle connection.
//! The application is a [`Handler`], one on each thread; what it may do is a [`Plane`]'s. From other
//! threads there is a [`Remote`].
//!
//! ```no_run
//! use tidewire_engine::{ConnectionId, Door, Engine, Handler, Message, Plane, Settings};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Guest = ();
//!     type Command = ();
//!
//!     fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
//!         let _ = plane.send(id, message); // it may close already
//!     }
//! }
//!
//! let engine = Engine::start(Settings::default(), |_thread| Echo)?;
//! engine.listen(std::net::TcpListener::bind("127.0.0.1:9002")?, Door::new())?;
//! engine.wait()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # This, or crate `tidewire`?
//!
//! | | `tidewire` | `tidewire-engine` |
//! |---|---|---|
//! | A connection is | a value in your task; you `await` its next message | a name; your handler is called |
//! | Code for one connection | reads from top to bottom | is a state machine of yours |
//! | Runs on | tokio, beside everything else that does; Linux, macOS, Windows | threads of its own; Linux |
//! | One message to many | a [`Prepared`](proto::Prepared) for each sender | [`Plane::publish`]: joined over a turn, one write for each socket |
//! | An idle connection | some 1.2 KB | some 200 bytes |
//! | A handler that blocks | holds up its own connection | holds up all of its thread |
//!
//! Most programs want `tidewire`. The engine is for a hundred thousand sockets, for fan-out, and for
//! whoever counts microseconds.
//!
//! # A turn
//!
//! Each turn of a loop waits for something to happen, hears what has arrived, takes what other
//! threads sent, looks at the time, and then writes. So everything that is sent to a connection during
//! a turn leaves in one write; and of what is published during a turn there is one buffer, however many
//! receive it. On `io_uring` ([`Io`]), which is used where the kernel allows it, the writes of a turn
//! and the wait of the next are one system call.
//!
//! # Bounds
//!
//! What a peer sends is bounded by [`Limits`](proto::Limits); what waits for it by [`QueueLimits`]:
//! with more than the high-water mark queued, nothing more is read from it, and at the brim it is
//! closed. What is only [offered](Plane::offer) to a slow reader waits for room, and the oldest of it is
//! dropped. What other threads send waits in a mailbox of [`Settings::mail_count_max`]
//! messages and [`Settings::mail_len_max`] bytes. Deadlines (Ping,
//! Pong, Close, writing, opening handshake) are kept by walking over the connections once a second, so
//! each is noticed up to a second late; Pings are spread over a quarter of their time.
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

mod backend;
mod connection;
mod engine;
mod event_loop;
mod handler;
mod id;
mod mail;
mod mailbox;
mod opening;
mod plane;
mod random;
mod refusal;
mod remote;
mod runs;
mod settings;
mod slab;
mod stopping;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod topics;
mod waiting;

#[cfg(feature = "tls")]
pub use rustls;
pub use tidewire_proto as proto;

pub use backend::{Io, UnknownIo};
pub use engine::{Adopted, Engine};
pub use handler::{Handler, Message};
pub use id::ConnectionId;
pub use opening::Door;
pub use plane::{Plane, SendError};
pub use remote::{MailboxFull, Remote, ThreadStats};
pub use settings::{Brim, QueueLimits, Settings};
