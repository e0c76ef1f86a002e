//! What an opening handshake has agreed on: [`Agreed`].

#[cfg(feature = "deflate")]
use tidewire_proto::DeflateParams;

/// The outcome of an opening handshake, as far as the connection needs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreed {
    pub(crate) subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<DeflateParams>,
}

impl Agreed {
    pub(crate) fn new(subprotocol: Option<&str>) -> Self {
        Self {
            subprotocol: subprotocol.map(Into::into),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
