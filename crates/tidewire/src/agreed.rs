//! What an opening handshake has agreed on: [`Agreed`].

#[cfg(feature = "deflate")]
use tidewire_proto::DeflateParams;
use tidewire_proto::handshake::{Established, Headers};

/// The outcome of an opening handshake, as far as the connection needs it.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    pub(crate) terms: Option<Box<Terms>>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<DeflateParams>,
}

/// What is kept for who asks. A server that chose no subprotocol has nothing to keep.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) subprotocol: Option<Box<str>>,
    /// The answer that a client got. Apart from the rest: a server has none.
    pub(crate) response_headers: Option<Box<Headers>>,
}

impl Agreed {
    /// What a server has chosen.
    pub(crate) fn chosen(subprotocol: Option<&str>) -> Self {
        let terms = subprotocol.map(|chosen| {
            Box::new(Terms { subprotocol: Some(chosen.into()), response_headers: None })
        });
        Self {
            terms,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// What a server has answered to a client.
    pub(crate) fn answered(established: Established) -> Self {
        let subprotocol = established.subprotocol().map(Into::into);
        let response_headers = Some(Box::new(established.into_headers()));
        Self {
            terms: Some(Box::new(Terms { subprotocol, response_headers })),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
