//! [`futures_core::Stream`] and [`futures_sink::Sink`] for those who compose with them.

use std::{
    pin::Pin,
    task::{self, Poll, ready},
};

use tidewire_proto::CloseCode;

use crate::{error::Error, link::Stream, message::Message, websocket::WebSocket};

/// Messages until a clean end; an error is the last item.
impl<S: Stream> futures_core::Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next(task).map(Result::transpose)
    }
}

/// Ready while less than 1 MiB is queued. Closing sends 1000 and waits for the peer.
impl<S: Stream> futures_sink::Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_ready(task)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.get_mut().queue(message.into())
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_flush(task)
    }

    fn poll_close(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.ready_state() == tidewire_proto::ReadyState::Open {
            this.start_close(CloseCode::NORMAL_CLOSURE, "")?;
        }
        while ready!(this.poll_next(task))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}
