//! [`Body`]: of every response.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};

use crate::node::StreamBody;

/// What a response says: all at once, or as it comes.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Full<Bytes>),
    /// After the preamble, what a session is told.
    Stream {
        preamble: &'static str,
        lines: StreamBody,
    },
}

/// Nothing.
impl Default for Body {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl From<Full<Bytes>> for Body {
    fn from(whole: Full<Bytes>) -> Self {
        Self::Whole(whole)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(task),
            Self::Stream { preamble, lines } => match std::mem::take(preamble) {
                "" => Pin::new(lines).poll_frame(task),
                first => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(first.as_bytes()))))),
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
