//! The server API in the JSON shapes of Centrifugo's HTTP API: what an application asks of us, and what it
//! is answered.
//!
//! The path of a request names a [`Method`], its body is a [`Call`]; what comes of it is an [`Outcome`] or an
//! [`Error`](tidewire_hub::Error), which [`response`] writes.
//!
//! ```
//! use tidewire_dialects::api::{self, ApiLimits, Call, Method, Outcome};
//!
//! let method = Method::by_name("publish").ok_or("no such method")?;
//! let body = br#"{"channel":"news","data":{"n": 1}}"#;
//! let Ok(Call::Publish { channel, message }) = Call::of_body(method, body, &ApiLimits::default()) else {
//!     return Err("no such call".into());
//! };
//!
//! let mut out = String::new();
//! api::response(&mut out, &Ok(Outcome::Published(None)));
//! assert_eq!(out, r#"{"result":{}}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is different here
//!
//! - What is asked for more than once, or in two ways at once, is refused.
//! - `b64data` is bytes, and stays bytes, though they be JSON: clients of a text format get them as base64.
//! - `delta` and `parallel` are taken and change nothing. `refresh`, `rpc` and what is not about streams is
//!   not found.
//! - A `disconnect` with a code of 4000 to 4999, which the protocol leaves to applications, is told as it is, with
//!   its `reason`; those of 3000 to 3999 have words of their own, and one that we do not know means that the client
//!   shall come back, or shall not, by its range. All others are refused, but zero, which is none.
//! - `unsubscribe` wants a channel. There an empty one is taken, and does nothing.
//! - `session` is the secret of a session by SSE or HTTP streaming; others have none.
//! - `key` of a publication is ours: for [conflation](tidewire_hub::Brim::Conflate).

mod call;
mod codes;
mod outcome;
mod publishing;
mod request;
mod sessions;

pub use call::{ApiLimits, BadCall, Call, Message, Method, Subscribe, Whom};
pub use codes::{error_code, http_status};
pub use outcome::{NodeInfo, Outcome, response};
