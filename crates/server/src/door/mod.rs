//! The door: who may come in, and as whom.
//!
//! [`Door`] is all of it together: [`Door::knock`] looks at a request, whatever its transport, and
//! [`Door::enter`] counts who stays. Nothing here reads a clock or a socket: time ([`Now`]), addresses and requests
//! are handed in. What a client can make grow has a limit, and each refusal a name, a status and a counter.
//!
//! What is not here: permissions, which are the hub's, and responses, which are the transports'.

mod address;
mod bucket;
mod generations;
mod knock;
mod now;
mod origin;
mod paces;
mod places;
mod presented;
mod proxies;
mod refusal;
mod secret;
mod tickets;
pub mod token;
mod users;

pub use address::AddressKey;
pub use bucket::{Bucket, Pace, TooFast};
pub use knock::{Door, DoorLimits, DoorRules, Refused, Visitor};
pub use now::Now;
pub use origin::{AllowedOrigins, Asked, InvalidPattern, OriginPattern, OriginRefused, Page};
pub use paces::Paces;
pub use places::{Full, Place, PlaceLimits, Places};
pub use presented::{BEARER, Presented, PresentedError, TokenPlaces, redacted};
pub use proxies::{Client, InvalidNetwork, Network, TrustedProxies};
pub use refusal::{Refusal, Refusals};
pub use secret::Secret;
pub use tickets::{NoTicket, TICKET_WITHIN, Tickets};
pub use users::{OverPace, UserLimits, UserPlace, Users};
