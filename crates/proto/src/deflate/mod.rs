//! permessage-deflate (RFC 7692): parameters, negotiation, and the memory it is allowed to take.
//!
//! [`DeflateConfig`] says what we would agree to and [negotiates](negotiation) with the peer,
//! [`DeflateParams`] say what was agreed, and a [`DeflateSession`] compresses and inflates one connection's
//! messages with the (de)compressors of the thread's [`Codecs`].
//!
//! What is kept between two messages, and why:
//!
//! - **Nothing, without context takeover.** A session can then be made anew for each message.
//! - **Raw windows, with it**: the plain bytes that the next message may refer to, no more than the
//!   negotiated window holds, grown by what was really sent ([`ReceivedWindow`], [`SentWindow`]).
//! - **Never an inflater.** Priming one with a window is a copy, of no measurable cost at 4 KiB,
//!   against 48 KB for each connection; and a message is always inflated from exactly the
//!   negotiated window, whatever the thread did before (docs/decisions/0001).
//! - **Compressors, where the thread's budget allows**: filling its hash table makes a rebuilt one
//!   two to seven times dearer than a live one. See [`Codecs`].

mod codecs;
mod config;
mod deflater;
mod element;
mod inflater;
mod negotiation;
mod params;
mod received;
mod sent;
mod session;
mod stored;

pub use codecs::Codecs;
pub use config::DeflateConfig;
pub use negotiation::NegotiationError;
pub use params::{DeflateParams, Flow};
pub(crate) use session::{DeflateSession, Deflated, InflateError, deflate_shared};

/// What a compressed message leaves out at its end: RFC 7692 §7.2.1 "Remove 4 octets (that are
/// 0x00 0x00 0xff 0xff) from the tail end", §7.2.2 "Append 4 octets".
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What an empty message is compressed to, and what ends one whose last block has been flushed
/// already (§7.2.3.6): the header of the empty stored block whose lengths are [`TAIL`].
const EMPTY_BLOCK: u8 = 0x00;

// zlib in C, one of the oracles, does not run under Miri.
#[cfg(test)]
#[cfg(not(miri))]
mod tests;
