//! One connection: its socket, and proto's state behind it.

use std::{
    io::{self, IoSlice, Write},
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use rustix::event::epoll::EventFlags;
use tidewire_proto::{
    self as proto, Config, Context, Event, Role, Timestamp, Transport,
    handshake::{Accept, HandshakeLimits, HttpVersion, Rejection, Request, ServerHandshake},
};

use crate::read;

/// A socket and where it stands. This and its slab entry are all that an idle connection has.
pub(crate) struct Connection {
    socket: TcpStream,
    state: State,
}

// Of the 272 bytes that an idle connection may cost, these are the ones in the slab.
const _: () = assert!(size_of::<Option<Connection>>() <= 192);

enum State {
    Handshake(Box<ServerHandshake>),
    Open {
        proto: proto::Connection,
        /// A header that the last read has cut short: at most 13 bytes, and rarely any.
        cut: Vec<u8>,
        sending_ended: bool,
    },
}

/// What the loop does next with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    Wait,
    End,
}

/// A connection with so much unsent is not read from.
const UNSENT_LEN_MAX: usize = 1 << 20;

const SLICE_COUNT_MAX: usize = 16;

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let handshake = ServerHandshake::new(HandshakeLimits::default());
        Self { socket, state: State::Handshake(Box::new(handshake)) }
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> EventFlags {
        match &self.state {
            State::Open { proto, .. } if !proto.outbox().is_empty() => {
                if proto.outbox().len() > UNSENT_LEN_MAX {
                    EventFlags::OUT
                } else {
                    EventFlags::IN | EventFlags::OUT
                }
            }
            _ => EventFlags::IN,
        }
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Handshake(_) => false,
            State::Open { proto, .. } => proto.poll_timeout().is_some_and(|due| due <= now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Context) -> Next {
        if let State::Open { proto, .. } = &mut self.state {
            // The loop has nothing to tell anybody; what follows is in the transport's state.
            let _ = proto.handle_timeout(cx);
        }
        next(self.flush(cx))
    }

    /// Gives back what the pools have lent.
    pub(crate) fn release(&mut self, cx: &mut Context) {
        if let State::Open { proto, .. } = &mut self.state {
            proto.release(cx);
        }
    }

    /// Reads once, echoes all messages that are whole, and writes once.
    pub(crate) fn turn(
        &mut self,
        flags: EventFlags,
        config: &Arc<Config>,
        cx: &mut Context,
        buffer: &mut [u8],
    ) -> Next {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            match self.receive(config, cx, buffer) {
                Ok(Next::Wait) => {}
                Ok(Next::End) | Err(_) => return Next::End,
            }
        }
        next(self.flush(cx))
    }

    fn receive(
        &mut self,
        config: &Arc<Config>,
        cx: &mut Context,
        buffer: &mut [u8],
    ) -> io::Result<Next> {
        let (proto, cut) = match &mut self.state {
            State::Open { proto, cut, .. } => (proto, cut),
            State::Handshake(handshake) => {
                let Some(len) = read(&mut self.socket, buffer)? else { return Ok(Next::Wait) };
                if len == 0 {
                    return Ok(Next::End);
                }
                let mut input = &buffer[..len];
                let (response, accepted) = match handshake.receive(&mut input) {
                    Ok(None) => return Ok(Next::Wait),
                    Ok(Some(Request::WebSocket(request))) => {
                        let accepted = request.accept(&Accept::new());
                        (accepted.map_err(io::Error::other)?, true)
                    }
                    Ok(Some(Request::Other(request))) => {
                        (request.upgrade_required().to_response(request.version()), false)
                    }
                    Err(error) => (Rejection::from(error).to_response(HttpVersion::Http11), false),
                };
                // A new socket takes a few hundred bytes at once.
                self.socket.write_all(&response.encode())?;
                if !accepted {
                    return Ok(Next::End);
                }
                let unread = len - input.len();
                let mut proto = proto::Connection::new(Role::Server, Arc::clone(config), cx.now);
                let cut = echo(&mut proto, cx, &mut buffer[unread..len]);
                self.state = State::Open { proto, cut, sending_ended: false };
                return Ok(Next::Wait);
            }
        };
        // A large message goes straight into its own buffer, as far as it has come: to go on with
        // it now, while it is in the core's cache, is cheaper than to take turns.
        while let Some(target) = proto.read_target(cx) {
            let offered = target.len();
            let Some(len) = read(&mut self.socket, target)? else { return Ok(Next::Wait) };
            if len == 0 {
                return Ok(Next::End);
            }
            if let Some(event) = proto.handle_read(cx, len) {
                answer(proto, cx, event);
                return Ok(Next::Wait);
            }
            if len < offered {
                return Ok(Next::Wait);
            }
        }
        let start = cut.len();
        let Some(len) = read(&mut self.socket, &mut buffer[start..])? else {
            return Ok(Next::Wait);
        };
        if len == 0 {
            return Ok(Next::End);
        }
        buffer[..start].copy_from_slice(cut);
        *cut = echo(proto, cx, &mut buffer[..start + len]);
        Ok(Next::Wait)
    }

    /// Writes what is queued, as far as the socket takes it, and does what the state of the
    /// connection then asks of the transport.
    fn flush(&mut self, cx: &mut Context) -> io::Result<Next> {
        let State::Open { proto, sending_ended, .. } = &mut self.state else {
            return Ok(Next::Wait);
        };
        while !proto.outbox().is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICE_COUNT_MAX];
            let (mut count, mut offered) = (0, 0);
            for (slice, chunk) in slices.iter_mut().zip(proto.outbox().chunks()) {
                *slice = IoSlice::new(chunk);
                count += 1;
                offered += chunk.len();
            }
            let written = match &slices[..count] {
                [one] => self.socket.write(one),
                many => self.socket.write_vectored(many),
            };
            match written {
                Ok(len) => {
                    proto.advance(cx, len);
                    if len < offered {
                        break; // the socket is full; to ask again would be a call for nothing
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match proto.transport() {
            Transport::EndSending if proto.outbox().is_empty() && !*sending_ended => {
                *sending_ended = true;
                self.socket.shutdown(Shutdown::Write)?;
            }
            Transport::Open | Transport::EndSending => {}
            Transport::Ended => return Ok(Next::End),
        }
        Ok(Next::Wait)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Echoes all messages that are whole, and returns the header at the end that is not.
fn echo(proto: &mut proto::Connection, cx: &mut Context, mut input: &mut [u8]) -> Vec<u8> {
    while let Some(event) = proto.receive(cx, &mut input) {
        answer(proto, cx, event);
    }
    input.to_vec() // an empty vector owns nothing
}

/// The application: what comes in goes out. All else proto has done by itself.
fn answer(proto: &mut proto::Connection, cx: &mut Context, event: Event<'_>) {
    // A message that came while the connection closes is not answered any more.
    let _ = match event {
        Event::Text(text) => proto.send(cx, text),
        Event::Binary(payload) => proto.send(cx, payload),
        _ => Ok(()),
    };
}

/// A broken transport ends the connection; there is nobody to tell.
fn next(outcome: io::Result<Next>) -> Next {
    outcome.unwrap_or(Next::End)
}
