//! The opening handshake on an engine of its own: [`Door`], and [`Opening`] while it is under way.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
#[cfg(feature = "deflate")]
use tidewire_proto::{DeflateConfig, DeflateParams};
use tidewire_proto::{
    Timestamp,
    handshake::{
        Accept, HandshakeLimits, HttpVersion, OriginPolicy, Rejection, Request, Response,
        ServerHandshake, UpgradeRequest,
    },
    uri::Scheme,
};

use crate::tls;

/// Who may enter by a listener, and as what.
///
/// For programs without an HTTP server of their own; others hand over connections that are open:
/// see [`Engine::adopt`](crate::Engine::adopt).
pub struct Door<G> {
    decide: Box<Decide<G>>,
    pub(crate) origins: OriginPolicy,
    limits: HandshakeLimits,
    within: Duration,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    pub(crate) tls: Option<tls::Config>,
}

type Decide<G> = dyn Fn(&UpgradeRequest) -> Result<(Accept, G), Rejection> + Send + Sync;

/// When somebody for whom there was no place may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A whole opening handshake takes at most this long by default.
const OPENING_WITHIN: Duration = Duration::from_secs(10);

impl<G: Default + 'static> Door<G> {
    /// Lets in whomever the Origin allows: pages of the same host, unless
    /// [`origins`](Self::origins) says otherwise (RFC 6455 §10.2).
    pub fn new() -> Self {
        Self::deciding(|_| Ok((Accept::new(), G::default())))
    }
}

impl<G: Default + 'static> Default for Door<G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G> Door<G> {
    /// Lets `decide` say who enters, and as what, or with which response it is refused. The Origin
    /// is looked at before.
    pub fn deciding(
        decide: impl Fn(&UpgradeRequest) -> Result<(Accept, G), Rejection> + Send + Sync + 'static,
    ) -> Self {
        Self {
            decide: Box::new(decide),
            origins: OriginPolicy::default(),
            limits: HandshakeLimits::default(),
            within: OPENING_WITHIN,
            #[cfg(feature = "deflate")]
            deflate: None,
            tls: None,
        }
    }

    /// Which pages may connect (RFC 6455 §10.2). Others get 403.
    #[must_use]
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.origins = policy;
        self
    }

    /// Bounds on the opening handshake.
    #[must_use]
    pub const fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long an opening handshake may take. Beyond: 408, or a mere end for who has asked nothing at
    /// all, since there is nothing to answer. Default: 10 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Compresses messages with clients that offer it (RFC 7692). Off by default.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, config: DeflateConfig) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Does TLS on every connection, as `config` says.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    fn answer(&self, request: &UpgradeRequest) -> Result<Opened<G>, Rejection> {
        let (accept, guest) = self.admit(request)?;
        let misused = |misuse| {
            tracing::error!("the decision of a door cannot be sent: {misuse}");
            internal_error()
        };
        #[cfg(feature = "deflate")]
        let (response, deflate) =
            request.accept_compressed(&accept, self.deflate.as_ref()).map_err(misused)?;
        #[cfg(not(feature = "deflate"))]
        let response = request.accept(&accept).map_err(misused)?;
        Ok(Opened {
            response: response.encode().into(),
            guest,
            #[cfg(feature = "deflate")]
            deflate,
        })
    }

    /// Runs a piece of the application. A panic there costs one connection, not the thread.
    fn admit(&self, request: &UpgradeRequest) -> Result<(Accept, G), Rejection> {
        let admit = || {
            // Behind a proxy that ends TLS, plain TCP says nothing of the scheme.
            let scheme = self.tls.is_some().then_some(Scheme::Wss);
            self.origins.check(request, scheme).map_err(|refused| Rejection::from(&refused))?;
            (self.decide)(request)
        };
        catch_unwind(AssertUnwindSafe(admit)).unwrap_or_else(|_| {
            tracing::error!("the decision of a door panicked; the connection is refused");
            Err(internal_error())
        })
    }
}

fn internal_error() -> Rejection {
    Rejection::new(500, "This was not meant to happen.").unwrap_or_else(|_| Rejection::timeout())
}

impl<G> fmt::Debug for Door<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// A connection before its `101`.
pub(crate) struct Opening<G> {
    handshake: ServerHandshake,
    door: Arc<Door<G>>,
    pub(crate) deadline: Timestamp,
    /// There was no place for it when it came.
    pub(crate) is_beyond: bool,
}

/// What comes of a request.
pub(crate) enum Answer<G> {
    Opened(Opened<G>),
    Refused(Response),
    /// The same, for want of a place.
    TurnedAway(Response),
}

/// The `101`, and what was agreed on by it.
pub(crate) struct Opened<G> {
    pub(crate) response: Bytes,
    pub(crate) guest: G,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<DeflateParams>,
}

impl<G> Opening<G> {
    pub(crate) fn new(door: Arc<Door<G>>, now: Timestamp, is_beyond: bool) -> Self {
        let deadline = now.saturating_add(door.within);
        Self { handshake: ServerHandshake::new(door.limits), door, deadline, is_beyond }
    }

    /// Takes the request off the front of `input`; `None` until it is whole. `has_place`: nobody has to
    /// leave for this one.
    pub(crate) fn receive(&mut self, input: &mut &[u8], has_place: bool) -> Option<Answer<G>> {
        Some(match self.handshake.receive(input) {
            Ok(None) => return None,
            Ok(Some(Request::WebSocket(request))) if !has_place => {
                Answer::TurnedAway(Rejection::busy(RETRY_AFTER).to_response(request.version()))
            }
            Ok(Some(Request::WebSocket(request))) => match self.door.answer(&request) {
                Ok(opened) => Answer::Opened(opened),
                Err(rejection) => Answer::Refused(rejection.to_response(request.version())),
            },
            Ok(Some(Request::Other(request))) => {
                Answer::Refused(request.respond(&request.upgrade_required()))
            }
            Err(error) => Answer::Refused(Rejection::from(error).to_response(HttpVersion::Http11)),
        })
    }

    /// The answer to who is too slow; `None` where nothing was asked at all.
    pub(crate) fn too_late(&self) -> Option<Response> {
        let asked = !self.handshake.is_idle();
        asked.then(|| Rejection::timeout().to_response(HttpVersion::Http11))
    }
}

impl<G> fmt::Debug for Opening<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
