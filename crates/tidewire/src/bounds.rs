//! How much and how long, for clients and servers alike: [`Bounds`], and the methods that set them.

use std::{sync::Arc, time::Duration};

use tidewire_proto::{Config, handshake::HandshakeLimits};

use crate::deadline::Deadline;

/// What a peer may ask of us.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) config: Arc<Config>,
    pub(crate) handshake_limits: HandshakeLimits,
    pub(crate) handshake_timeout: Duration,
}

/// A whole opening handshake, TLS included, takes at most this long by default.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

impl Bounds {
    /// When a handshake that begins now must be done.
    pub(crate) fn handshake_deadline(&self) -> Deadline {
        Deadline::after(self.handshake_timeout)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            config: Arc::default(),
            handshake_limits: HandshakeLimits::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

/// The methods of [`Client`](crate::Client) and [`Server`](crate::Server) for their `bounds`. A trait
/// would do as well, but who configures one had to import it.
macro_rules! bounded {
    ($builder:ty) => {
        impl $builder {
            /// What is accepted from the peer.
            #[must_use]
            pub fn limits(self, limits: tidewire_proto::Limits) -> Self {
                self.with_config(|config| config.limits = limits)
            }

            /// How long is waited for the peer, once connected.
            #[must_use]
            pub fn timeouts(self, timeouts: tidewire_proto::Timeouts) -> Self {
                self.with_config(|config| config.timeouts = timeouts)
            }

            /// Everything that proto lets be configured.
            #[must_use]
            pub fn with_config(self, change: impl FnOnce(&mut tidewire_proto::Config)) -> Self {
                self.with(|options| change(std::sync::Arc::make_mut(&mut options.bounds.config)))
            }

            /// Bounds on the opening handshake.
            #[must_use]
            pub fn handshake_limits(
                self,
                limits: tidewire_proto::handshake::HandshakeLimits,
            ) -> Self {
                self.with(|options| options.bounds.handshake_limits = limits)
            }

            /// How long the opening handshake may take, TLS included. Default: 10 s. A server
            /// answers 408 then.
            #[must_use]
            pub fn handshake_timeout(self, within: std::time::Duration) -> Self {
                self.with(|options| options.bounds.handshake_timeout = within)
            }

            pub(crate) fn bounds(&self) -> &$crate::bounds::Bounds {
                &self.0.bounds
            }
        }
    };
}

pub(crate) use bounded;
