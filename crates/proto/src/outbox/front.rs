//! [`Front`]: what waits to be written, in the hands of whoever writes it.

use core::{fmt, mem, ops};

use bytes::Bytes;

use super::{Chunk, Outbox, Piece, Place};
use crate::{connection::Connection, context::Context, opcode::Role};

/// The front piece of an outbox, owned while it is being written.
///
/// For drivers whose kernel reads the memory while the program goes on: it stays where it is,
/// whatever happens to the connection. The outbox counts it as before, and what is queued meanwhile
/// stands behind it.
pub struct Front {
    chunk: Chunk,
    /// How much of it was written before.
    sent: usize,
}

impl Connection {
    /// Takes the front of the [`outbox`](Self::outbox); again, and what stands behind it comes too.
    ///
    /// Everything is given back to [`put_front`](Self::put_front), in the order in which it was
    /// taken. Until then [`Outbox::chunks`](crate::Outbox::chunks) yields nothing.
    pub fn take_front(&mut self) -> Option<Front> {
        self.outbox.take_front()
    }

    /// Gives back what [`take_front`](Self::take_front) took, of which `written` bytes were written
    /// (see [`advance`](Self::advance)). The rest is the front again.
    ///
    /// # Panics
    /// If that is more than there was.
    pub fn put_front(&mut self, cx: &mut Context, front: Front, written: usize) {
        assert!(written <= front.len(), "more was written than there was");
        self.outbox.put_front(cx, self.role, front, written);
        if self.outbox.is_empty() {
            self.state.all_written(self.role, cx.now);
        }
    }

    /// Queues bytes that are encoded already before all that waits: what is left of a
    /// [`share`](Self::share)d frame that the driver was writing meanwhile.
    ///
    /// # Panics
    /// If a piece of the outbox is under way itself: then these bytes cannot come before it.
    pub fn requeue_encoded(&mut self, cx: &mut Context, bytes: &Bytes) {
        self.outbox.push_encoded_front(cx, bytes);
        self.watch_stall(cx.now);
    }
}

impl Outbox {
    fn take_front(&mut self) -> Option<Front> {
        if self.is_empty() {
            return None;
        }
        let queue = self.queue.as_deref_mut()?;
        let at = queue.pieces.iter().position(|piece| !piece.is_taken())?;
        let piece = queue.pieces.get_mut(at)?;
        let len = piece.len();
        let chunk = mem::replace(&mut piece.chunk, Chunk::Taken(len));
        Some(Front { chunk, sent: if at == 0 { queue.front_sent } else { 0 } })
    }

    fn put_front(&mut self, cx: &mut Context, role: Role, front: Front, written: usize) {
        let mut pieces = self.queue.iter_mut().flat_map(|queue| &mut queue.pieces);
        match pieces.find(|piece| piece.is_taken()) {
            Some(piece) => {
                piece.chunk = front.chunk;
                if written > 0 {
                    self.advance(cx, role, written);
                }
            }
            // All that waited was forgotten meanwhile.
            None => front.recycle(cx),
        }
    }

    fn push_encoded_front(&mut self, cx: &mut Context, frames: &Bytes) {
        self.len += frames.len();
        let queue = self.queue_mut(cx);
        let under_way = queue.front_sent > 0 || queue.pieces.front().is_some_and(Piece::is_taken);
        assert!(!under_way, "a piece of the outbox is being written");
        if queue.pongs.queued > 0 {
            queue.pongs.end += frames.len() as u64;
        }
        let chunk = Chunk::Shared(frames.clone());
        queue.pieces.push_front(Piece { chunk, place: Place::FrameEnd });
    }
}

impl Front {
    /// Gives its memory back, when its connection is gone.
    pub fn recycle(self, cx: &mut Context) {
        if let Chunk::Owned(buf) = self.chunk {
            cx.buffers.give(buf);
        }
    }
}

impl ops::Deref for Front {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes: &[u8] = match &self.chunk {
            Chunk::Owned(buf) => buf,
            Chunk::Shared(bytes) => bytes,
            Chunk::Taken(_) => &[],
        };
        bytes.get(self.sent..).unwrap_or_default()
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Front({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};

    use super::*;
    use crate::{Config, Kind, MaskSource, Outgoing, ReadyState, Timestamp, message::Source};

    struct NoMasks;

    impl MaskSource for NoMasks {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    fn server() -> (Context, Connection) {
        let cx = Context::new(Box::new(NoMasks));
        let conn = Connection::new(Role::Server, Arc::new(Config::default()), Timestamp::ZERO);
        (cx, conn)
    }

    fn shared(byte: u8, len: usize) -> Outgoing<'static> {
        let source = Source::Shared(vec![byte; len].into());
        Outgoing { kind: Kind::Binary, source, compress: false }
    }

    /// Writes all there is, `step` bytes of each piece at a time.
    fn drain(cx: &mut Context, conn: &mut Connection, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(front) = conn.take_front() {
            let written = step.min(front.len());
            out.extend_from_slice(&front[..written]);
            conn.put_front(cx, front, written);
        }
        out
    }

    #[test]
    fn short_writes_lose_nothing() {
        let expected: Vec<u8> =
            [&[0x82, 2, 7, 7][..], &[0x82, 126, 0x20, 0], &[8; 0x2000]].concat();
        for step in [if cfg!(miri) { 700 } else { 1 }, 1001, 4096, usize::MAX] {
            let (mut cx, mut conn) = server();
            conn.send(&mut cx, &[7, 7][..]).unwrap();
            conn.send(&mut cx, shared(8, 0x2000)).unwrap();
            let len = conn.outbox().len();
            assert_eq!(len, expected.len());
            assert_eq!(drain(&mut cx, &mut conn, step), expected, "{step}");
            assert!(conn.outbox().is_empty() && conn.outbox().cost() == 0);
        }
    }

    /// In memory that is new and in memory that was used before, up to and beyond what stands in
    /// seven bits.
    #[test]
    fn short_frames_stand_behind_each_other() {
        let (mut cx, mut conn) = server();
        for _ in 0..3 {
            let mut expected = Vec::new();
            for len in [1, 0, 125, 126, 7, 124, 125, 127] {
                let payload = vec![len; usize::from(len)];
                conn.send(&mut cx, &payload[..]).unwrap();
                let len7: &[u8] = if len > 125 { &[126, 0, len] } else { &[len] };
                expected.extend_from_slice(&[&[0x82], len7, &payload].concat());
            }
            assert_eq!(conn.outbox().len(), expected.len());
            assert_eq!(drain(&mut cx, &mut conn, usize::MAX), expected);
        }
    }

    #[test]
    fn what_is_taken_counts_and_is_offered_once() {
        let (mut cx, mut conn) = server();
        conn.send(&mut cx, &[1][..]).unwrap();
        let cost = conn.outbox().cost();
        let front = conn.take_front().unwrap();
        assert_eq!((conn.outbox().len(), conn.outbox().cost()), (3, cost));
        assert!(conn.take_front().is_none() && conn.outbox().chunks().next().is_none());
        // What is queued meanwhile stands behind it, and in a piece of its own.
        conn.send(&mut cx, &[2][..]).unwrap();
        assert_eq!(&front[..], [0x82, 1, 1]);
        let second = conn.take_front().unwrap();
        assert_eq!(&second[..], [0x82, 1, 2]);
        conn.put_front(&mut cx, front, 2);
        conn.put_front(&mut cx, second, 0);
        assert_eq!(drain(&mut cx, &mut conn, usize::MAX), [1, 0x82, 1, 2]);
    }

    /// RFC 6455 §5.4: control frames may stand between the frames of a message, not inside one; so
    /// not between a header and its payload, nor between pieces that are being written already.
    #[test]
    fn a_pong_overtakes_only_what_is_not_under_way() {
        let (mut cx, mut conn) = server();
        for byte in 1..=4 {
            conn.send(&mut cx, shared(byte, 40 << 10)).unwrap();
        }
        let taken: Vec<_> = (0..3).filter_map(|_| conn.take_front()).collect(); // H1 P1 H2
        conn.pong(&mut cx, b"!").unwrap();
        let mut out = Vec::new();
        for front in taken {
            out.extend_from_slice(&front);
            let len = front.len();
            conn.put_front(&mut cx, front, len);
        }
        out.extend(drain(&mut cx, &mut conn, usize::MAX));
        let frame_len = 4 + (40 << 10);
        assert_eq!(out[2 * frame_len..][..3], [0x8A, 1, b'!']);
        assert_eq!(out[2 * frame_len + 3..][..2], [0x82, 126]);
        assert_eq!(out.len(), 4 * frame_len + 3);
    }

    #[test]
    fn a_close_lingers_from_when_it_was_given_back() {
        let (mut cx, mut conn) = server();
        // The peer's Close is answered.
        let _ = conn.receive(&mut cx, &mut &mut [0x88, 0x80, 0, 0, 0, 0][..]);
        let front = conn.take_front().unwrap();
        let before = conn.poll_timeout();
        assert!(!conn.outbox().is_empty());
        let len = front.len();
        conn.put_front(&mut cx, front, len);
        assert!(conn.outbox().is_empty() && conn.poll_timeout() < before);
    }

    #[test]
    fn what_was_forgotten_meanwhile_goes_back_to_the_pool() {
        let (mut cx, mut conn) = server();
        conn.send(&mut cx, &[1][..]).unwrap();
        let front = conn.take_front().unwrap();
        let _ = conn.handle_eof(&mut cx);
        assert_eq!(conn.ready_state(), ReadyState::Closed);
        conn.put_front(&mut cx, front, 1);
        assert!(conn.outbox().is_empty());
    }

    #[test]
    fn what_is_left_of_a_shared_frame_comes_first() {
        let (mut cx, mut conn) = server();
        conn.pong(&mut cx, b"").unwrap();
        conn.requeue_encoded(&mut cx, &Bytes::from_static(&[9, 9]));
        assert_eq!(drain(&mut cx, &mut conn, usize::MAX), [9, 9, 0x8A, 0]);
    }
}
