//! What waits to be written: [`Outbox`].
//!
//! Order, short writes, control frames between the pieces of a backlog, and the count of bytes
//! live here, once for every driver. An empty outbox owns nothing; its memory comes from the
//! thread's pools and goes back when it has drained.

mod front;

use alloc::{
    boxed::Box,
    collections::{VecDeque, vec_deque},
    vec::Vec,
};
use core::{fmt, mem};

use bytes::Bytes;

use crate::{
    buffer::{HEADROOM, MessageBuf},
    context::Context,
    header::{CONTROL_LEN_MAX, EncodedHeader, FrameHeader, LEN7_MAX, RSV1},
    mask,
    message::Source,
    opcode::{OpCode, Role},
    time::Timestamp,
};

pub use front::Front;

/// Frames on their way to the network, in order.
///
/// Write what [`chunks`](Self::chunks) yields, in that order, then tell
/// [`Connection::advance`](crate::Connection::advance) how much of it went.
#[derive(Default)]
pub struct Outbox {
    queue: Option<Box<Queue>>,
    /// Bytes that wait.
    len: usize,
}

/// Payloads up to this length are copied next to each other, so that many small messages leave
/// as one piece; beyond it a copy costs more than an entry of its own.
const COPY_LEN_MAX: usize = 4 << 10;

/// Copied frames share pieces of at most this size.
const PIECE_LEN_MAX: usize = 64 << 10;

/// Buffers up to this size stay with a queue, though it waits in a pool: some, and small.
const SPARE_LEN_MAX: usize = 4 << 10;

/// With this much waiting, a control frame does not queue behind it but goes between its frames.
const BACKLOG_LEN: usize = 64 << 10;

/// What a piece costs beside its bytes: its entry, and the shares of allocator and pool.
const PIECE_COST: usize = 64;

/// Pongs that wait to be written. RFC 6455 §5.5.2 wants each Ping answered, and Autobahn 2.10
/// wants ten for ten; §5.5.3 lets an endpoint answer only the most recent. So: each up to this
/// many, beyond it only the latest, and a flood from a peer that never reads grows nothing.
pub(crate) const PONGS_QUEUED_MAX: u8 = 16;

/// The first byte of a frame: everything of its header that is neither length nor key.
#[derive(Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: OpCode,
}

impl FrameHead {
    pub(crate) const fn whole(opcode: OpCode) -> Self {
        Self { fin: true, rsv: 0, opcode }
    }

    /// As it stands on the wire (§5.2).
    const fn byte(self) -> u8 {
        (self.fin as u8) << 7 | self.rsv << 4 | self.opcode as u8
    }

    /// The same with RSV1 (RFC 7692 §6).
    pub(crate) const fn compressed(self) -> Self {
        Self { rsv: RSV1, ..self }
    }
}

/// The part of an outbox that exists only while something waits.
pub(crate) struct Queue {
    pieces: VecDeque<Piece>,
    /// The memory of a piece that was written, for the next one: an answer that leaves at once
    /// never sees the buffer pool. Empty, and without memory where there is none.
    spare: MessageBuf,
    /// How much of the first piece is written.
    front_sent: usize,
    /// Bytes written since the queue was taken from the pool.
    sent: u64,
    pongs: Pongs,
    pub(crate) stall: Stall,
}

struct Piece {
    chunk: Chunk,
    place: Place,
}

enum Chunk {
    Owned(MessageBuf),
    Shared(Bytes),
    /// So many bytes that are in the hands of whoever writes them.
    Taken(usize),
}

/// What may stand behind a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Copied whole frames; more may be appended.
    Frames,
    /// Control frames that overtook; more of them may be appended.
    Control,
    /// A header whose payload is the next piece.
    Header,
    /// The end of a frame that is not copied.
    FrameEnd,
}

/// Pongs that wait, and the one that replaces all further ones.
struct Pongs {
    queued: u8,
    /// Where the last queued one ends, as a value of `Queue::sent`.
    end: u64,
    latest: Option<u8>,
    latest_payload: [u8; CONTROL_LEN_MAX],
}

/// A watch over a peer that takes too little (see [`Timeouts::write_stall`](crate::Timeouts)).
#[derive(Default, Clone, Copy)]
pub(crate) struct Stall {
    /// When to look next; `None` where nobody watches.
    pub(crate) deadline: Option<Timestamp>,
    sent_before: u64,
    wanted: u64,
}

impl Queue {
    fn new() -> Self {
        Self {
            pieces: VecDeque::new(),
            spare: MessageBuf::new(),
            front_sent: 0,
            sent: 0,
            pongs: Pongs { queued: 0, end: 0, latest: None, latest_payload: [0; CONTROL_LEN_MAX] },
            stall: Stall::default(),
        }
    }

    /// The piece at the back to copy `len` more bytes into.
    #[inline]
    fn back_with_room(&mut self, cx: &mut Context, len: usize) -> &mut MessageBuf {
        let mut capacity = 0;
        let fits = match self.pieces.back() {
            Some(Piece { chunk: Chunk::Owned(buf), place: Place::Frames }) => {
                capacity = (2 * buf.capacity()).min(PIECE_LEN_MAX);
                buf.capacity() - buf.len() >= len
            }
            _ => false,
        };
        if !fits {
            let capacity = len.max(capacity);
            let buf = if capacity <= self.spare.capacity() {
                mem::take(&mut self.spare)
            } else {
                cx.buffers.take(capacity)
            };
            self.pieces.push_back(Piece { chunk: Chunk::Owned(buf), place: Place::Frames });
        }
        match self.pieces.back_mut() {
            Some(Piece { chunk: Chunk::Owned(buf), .. }) => buf,
            _ => unreachable!("such a piece has just been found or made"),
        }
    }

    /// Takes the memory of a piece back that nobody needs any more.
    fn recycle(&mut self, cx: &mut Context, piece: Piece) {
        let Chunk::Owned(mut buf) = piece.chunk else { return };
        let capacity = buf.capacity();
        if capacity <= SPARE_LEN_MAX && capacity > self.spare.capacity() {
            buf.clear();
            self.spare = buf;
        } else {
            cx.buffers.give(buf);
        }
    }

    /// Where control frames may overtake: after the first piece that ends a frame and reaches
    /// `behind`, a value of `sent`, after those that are being written, and after those that
    /// overtook before.
    fn overtaking_place(&self, behind: u64) -> usize {
        let mut end = self.sent - self.front_sent as u64;
        let taken = self.pieces.iter().take_while(|piece| piece.is_taken());
        let behind = behind.max(end + taken.map(|piece| piece.len() as u64).sum::<u64>());
        let mut pieces = self.pieces.iter();
        let ends = pieces.position(|piece| {
            end += piece.len() as u64;
            piece.place != Place::Header && end >= behind
        });
        let ends = ends.map_or(self.pieces.len(), |at| at + 1);
        ends + pieces.take_while(|piece| piece.place == Place::Control).count()
    }
}

/// What [`Outbox::chunks`] yields.
#[derive(Clone)]
pub struct Chunks<'a> {
    pieces: Option<vec_deque::Iter<'a, Piece>>,
    /// How much of the next piece is written already.
    skip: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let piece = self.pieces.as_mut()?.next()?;
        let bytes: &[u8] = match &piece.chunk {
            Chunk::Owned(buf) => buf,
            Chunk::Shared(bytes) => bytes,
            Chunk::Taken(_) => {
                self.pieces = None;
                return None;
            }
        };
        Some(&bytes[mem::take(&mut self.skip)..])
    }
}

impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(<[u8]>::len)).finish()
    }
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self { queue: None, len: 0 }
    }

    /// Bytes that wait to be written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the waiting frames cost in memory: their bytes, and 64 for each separate piece.
    /// Byte budgets are held against this.
    pub fn cost(&self) -> usize {
        self.len + self.queue.as_ref().map_or(0, |queue| queue.pieces.len() * PIECE_COST)
    }

    /// What to write next, in order.
    pub fn chunks(&self) -> Chunks<'_> {
        let queue = self.queue.as_deref();
        Chunks {
            pieces: queue.map(|queue| queue.pieces.iter()),
            skip: queue.map_or(0, |queue| queue.front_sent),
        }
    }

    pub(crate) fn stall(&self) -> Option<&Stall> {
        self.queue.as_ref().map(|queue| &queue.stall)
    }

    /// Appends one frame; masks it where `role` is a client (§5.1, §5.3).
    pub(crate) fn push(
        &mut self,
        cx: &mut Context,
        role: Role,
        head: FrameHead,
        payload: Source<'_>,
    ) {
        if role == Role::Server && self.push_short(head, &payload) {
            return payload.recycle(cx);
        }
        let header = header(cx, role, head, payload.len());
        let frame = header.encode();
        self.len += frame.len() + payload.len();
        let queue = self.queue_mut(cx);
        match payload {
            Source::Owned(mut buf) if buf.len() > COPY_LEN_MAX => {
                if let Some(key) = header.masking_key {
                    let _ = mask::apply(key, &mut buf);
                }
                buf.prepend(&frame);
                queue.pieces.push_back(Piece { chunk: Chunk::Owned(buf), place: Place::FrameEnd });
            }
            Source::Shared(bytes) if bytes.len() > COPY_LEN_MAX && header.masking_key.is_none() => {
                let header = queue.back_with_room(cx, frame.len());
                header.extend_from_slice(&frame);
                if let Some(back) = queue.pieces.back_mut() {
                    back.place = Place::Header;
                }
                queue
                    .pieces
                    .push_back(Piece { chunk: Chunk::Shared(bytes), place: Place::FrameEnd });
            }
            payload => {
                // M2: shared bytes may be seen by others; they are masked in a copy.
                let out = queue.back_with_room(cx, frame.len() + payload.len());
                append_frame(out, &frame, header.masking_key, &payload);
                if let Source::Owned(buf) = payload {
                    cx.buffers.give(buf);
                }
            }
        }
    }

    /// Nearly all frames of a server that answers many messages at once: a payload whose length
    /// stands in seven bits (§5.2), behind other copied frames and in memory that is there.
    #[inline]
    fn push_short(&mut self, head: FrameHead, payload: &[u8]) -> bool {
        let Some(queue) = &mut self.queue else { return false };
        let Some(Piece { chunk: Chunk::Owned(buf), place: Place::Frames }) =
            queue.pieces.back_mut()
        else {
            return false;
        };
        let len = payload.len();
        #[expect(clippy::cast_possible_truncation, reason = "it is compared first")]
        if len > LEN7_MAX || !buf.append_short([head.byte(), len as u8], payload) {
            return false;
        }
        self.len += 2 + len;
        true
    }

    /// Appends bytes that are whole frames already, and that others share.
    pub(crate) fn push_encoded(&mut self, cx: &mut Context, frames: &Bytes) {
        self.len += frames.len();
        let queue = self.queue_mut(cx);
        if frames.len() <= COPY_LEN_MAX {
            queue.back_with_room(cx, frames.len()).extend_from_slice(frames);
        } else {
            let chunk = Chunk::Shared(frames.clone());
            queue.pieces.push_back(Piece { chunk, place: Place::FrameEnd });
        }
    }

    /// Queues a control frame: at the end, or between the frames of a backlog (§5.4: "Control
    /// frames MAY be injected in the middle of a fragmented message").
    pub(crate) fn push_control(
        &mut self,
        cx: &mut Context,
        role: Role,
        opcode: OpCode,
        payload: &[u8],
    ) {
        let header = header(cx, role, FrameHead::whole(opcode), payload.len());
        self.insert_control(cx, &header, payload, 0);
    }

    /// Queues a Pong, up to [`PONGS_QUEUED_MAX`]; beyond it, only the latest will be sent.
    pub(crate) fn push_pong(&mut self, cx: &mut Context, role: Role, payload: &[u8]) {
        let queue = self.queue_mut(cx);
        if queue.pongs.queued == PONGS_QUEUED_MAX {
            queue.pongs.latest_payload[..payload.len()].copy_from_slice(payload);
            #[expect(clippy::cast_possible_truncation, reason = "a Ping carries at most 125 bytes")]
            {
                queue.pongs.latest = Some(payload.len() as u8);
            }
            return;
        }
        // The latest Ping is answered last, wherever the Pongs before it stand in the backlog.
        let behind = if queue.pongs.queued == 0 { 0 } else { queue.pongs.end };
        queue.pongs.queued += 1;
        let header = header(cx, role, FrameHead::whole(OpCode::Pong), payload.len());
        let end = self.insert_control(cx, &header, payload, behind);
        self.queue_mut(cx).pongs.end = end;
    }

    /// Queues the Close: the last frame of all (§5.5.1), behind everything that waits.
    pub(crate) fn push_close(&mut self, cx: &mut Context, role: Role, body: &[u8]) {
        self.queue_mut(cx).pongs.latest = None;
        self.push(cx, role, FrameHead::whole(OpCode::Close), Source::Slice(body));
    }

    /// Inserts a control frame, no further ahead than `behind`, and tells where it ends: values of
    /// `Queue::sent`.
    fn insert_control(
        &mut self,
        cx: &mut Context,
        header: &FrameHeader,
        payload: &[u8],
        behind: u64,
    ) -> u64 {
        let frame_len = header.encode().len() + payload.len();
        let backlog = self.len;
        self.len += frame_len;
        let queue = self.queue_mut(cx);
        if backlog <= BACKLOG_LEN {
            append(queue.back_with_room(cx, frame_len), header, payload);
            return queue.sent + (backlog + frame_len) as u64;
        }
        let mut place = queue.overtaking_place(behind);
        match queue.pieces.get_mut(place - 1) {
            Some(Piece { chunk: Chunk::Owned(buf), place: Place::Control })
                if buf.capacity() - buf.len() >= frame_len =>
            {
                append(buf, header, payload);
                place -= 1;
            }
            _ => {
                let mut buf = cx.buffers.take(frame_len);
                append(&mut buf, header, payload);
                queue
                    .pieces
                    .insert(place, Piece { chunk: Chunk::Owned(buf), place: Place::Control });
            }
        }
        let before: usize = queue.pieces.iter().take(place + 1).map(Piece::len).sum();
        let end = queue.sent + (before - queue.front_sent) as u64;
        if end - (frame_len as u64) < queue.pongs.end {
            queue.pongs.end += frame_len as u64; // they have just moved back
        }
        end
    }

    /// Drops what waits behind the frame that is being written, where that is a backlog: the
    /// connection fails, and its Close shall not wait for megabytes that no one wants any more.
    pub(crate) fn cut_backlog(&mut self, cx: &mut Context) {
        if self.len <= BACKLOG_LEN {
            return;
        }
        let Some(queue) = &mut self.queue else { return };
        let keep = queue.overtaking_place(0);
        for piece in queue.pieces.drain(keep..) {
            self.len -= piece.len();
            piece.recycle(cx);
        }
        queue.pongs.latest = None;
    }

    /// Forgets all that waits: nobody will read it.
    pub(crate) fn clear(&mut self, cx: &mut Context) {
        self.len = 0;
        if let Some(mut queue) = self.queue.take() {
            while let Some(piece) = queue.pieces.pop_front() {
                queue.recycle(cx, piece);
            }
            cx.give_queue(queue);
        }
    }

    /// `n` bytes were written.
    ///
    /// # Panics
    /// If it is more than [`chunks`](Self::chunks) yielded.
    pub(crate) fn advance(&mut self, cx: &mut Context, role: Role, n: usize) {
        assert!(n <= self.len, "advance by more than the outbox holds");
        self.len -= n;
        let Some(queue) = &mut self.queue else { return };
        if self.len == 0 && queue.pongs.queued == 0 {
            return self.clear(cx); // mostly all of it leaves at once
        }
        queue.sent += n as u64;
        queue.front_sent += n;
        while let Some(front) = queue.pieces.front() {
            let len = front.len();
            if queue.front_sent < len {
                break;
            }
            queue.front_sent -= len;
            if let Some(piece) = queue.pieces.pop_front() {
                queue.recycle(cx, piece);
            }
        }
        if queue.pongs.queued > 0 && queue.sent >= queue.pongs.end {
            queue.pongs.queued = 0;
            if let Some(len) = queue.pongs.latest.take() {
                let payload = queue.pongs.latest_payload;
                self.push_pong(cx, role, &payload[..usize::from(len)]);
                return;
            }
        }
        if self.len == 0
            && let Some(queue) = self.queue.take()
        {
            cx.give_queue(queue);
        }
    }

    /// Starts to watch how much the peer takes, unless somebody does already.
    pub(crate) fn watch_stall(&mut self, deadline: Timestamp, wanted: u64) {
        let len = self.len as u64;
        if let Some(queue) = &mut self.queue
            && queue.stall.deadline.is_none()
        {
            queue.stall = Stall {
                deadline: Some(deadline),
                sent_before: queue.sent,
                wanted: wanted.min(len),
            };
        }
    }

    /// At the deadline: whether the peer took what was wanted of it. Ends the watch.
    pub(crate) fn stall_is_over(&mut self) -> bool {
        self.queue.as_mut().is_none_or(|queue| {
            let taken = queue.sent - queue.stall.sent_before;
            let over = taken >= queue.stall.wanted;
            queue.stall = Stall::default();
            over
        })
    }

    fn queue_mut(&mut self, cx: &mut Context) -> &mut Queue {
        self.queue.get_or_insert_with(|| cx.take_queue())
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} bytes)", self.len)
    }
}

impl Piece {
    fn len(&self) -> usize {
        match &self.chunk {
            Chunk::Owned(buf) => buf.len(),
            Chunk::Shared(bytes) => bytes.len(),
            Chunk::Taken(len) => *len,
        }
    }

    const fn is_taken(&self) -> bool {
        matches!(self.chunk, Chunk::Taken(_))
    }

    fn recycle(self, cx: &mut Context) {
        if let Chunk::Owned(buf) = self.chunk {
            cx.buffers.give(buf);
        }
    }
}

/// Queues between two uses. Each is some 250 bytes, and 4 KiB where it has sent small frames, so a
/// thread keeps a few.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "a queue moves between pool and outbox as a pointer")]
pub(crate) struct QueuePool(Vec<Box<Queue>>);

const QUEUES_KEPT_MAX: usize = 256;
const PIECES_KEPT_MAX: usize = 64;

impl QueuePool {
    pub(crate) fn take(&mut self) -> Box<Queue> {
        self.0.pop().unwrap_or_else(|| Box::new(Queue::new()))
    }

    pub(crate) fn give(&mut self, mut queue: Box<Queue>) {
        if self.0.len() < QUEUES_KEPT_MAX && queue.pieces.capacity() <= PIECES_KEPT_MAX {
            queue.front_sent = 0;
            queue.sent = 0;
            queue.pongs.queued = 0;
            queue.pongs.latest = None;
            queue.stall = Stall::default();
            self.0.push(queue);
        }
    }
}

fn header(cx: &mut Context, role: Role, head: FrameHead, len: usize) -> FrameHeader {
    // §5.1: "a client MUST mask all frames that it sends"; "A server MUST NOT mask any frames".
    let masking_key = match role {
        Role::Client => Some(cx.masking_key()),
        Role::Server => None,
    };
    FrameHeader { fin: head.fin, rsv: head.rsv, opcode: head.opcode, masking_key, len: len as u64 }
}

fn append(out: &mut MessageBuf, header: &FrameHeader, payload: &[u8]) {
    append_frame(out, &header.encode(), header.masking_key, payload);
}

#[inline]
fn append_frame(
    out: &mut MessageBuf,
    header: &EncodedHeader,
    masking_key: Option<[u8; 4]>,
    payload: &[u8],
) {
    let len = header.len() + payload.len();
    let room = out.spare(len);
    header.write_to(room);
    let room = &mut room[header.len()..];
    room.copy_from_slice(payload);
    if let Some(key) = masking_key {
        let _ = mask::apply(key, room);
    }
    out.commit(len);
}

const _: () = assert!(HEADROOM >= FrameHeader::LEN_MAX);
