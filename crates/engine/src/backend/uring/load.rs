//! [`Load`]: bytes on their way to a socket, owned until the kernel has read them.

use std::io::{self, IoSlice};

use bytes::Bytes;
use tidewire_proto::{Context, Front};

use crate::{connection::Stage, tls::Tls};

/// What one send writes.
pub(super) enum Load {
    /// The front of a connection's outbox.
    Front(Front),
    /// The same, in several pieces.
    Fronts(Fronts),
    /// Frames that others get as well.
    Shared(Bytes),
    /// A refusal of the opening handshake.
    Refusal(Bytes),
    /// What TLS has made of them.
    Ciphertext(Bytes),
}

/// Pieces that leave in one write.
pub(super) struct Fronts {
    pub(super) pieces: Vec<Front>,
    slices: Vec<libc::iovec>,
    header: Box<libc::msghdr>,
}

/// Pieces in one write.
const PIECES_MAX: usize = 32;

/// With so much, a write is long enough. It also keeps lengths far from the 31 bits that the kernel
/// has for them.
const LEN_MAX: usize = 1 << 20;

/// A single piece may be longer; this much of it is written at once.
const PIECE_LEN_MAX: usize = 1 << 30;

impl Load {
    /// Encrypts what is queued, as much as TLS holds at a time.
    pub(super) fn encrypt<G>(
        stage: &mut Stage<G>,
        tls: &mut Tls,
        cx: &mut Context,
    ) -> io::Result<Option<Self>> {
        match stage {
            Stage::Opening(_) => {}
            Stage::Refused(refusal) => {
                let taken = tls.write(&[IoSlice::new(&refusal.unsent)]);
                refusal.advance(taken);
            }
            Stage::Open(proto) => {
                let mut slices = [IoSlice::new(&[]); PIECES_MAX];
                let mut count = 0;
                for (slice, chunk) in slices.iter_mut().zip(proto.outbox().chunks()) {
                    *slice = IoSlice::new(chunk);
                    count += 1;
                }
                let taken = tls.write(&slices[..count]);
                proto.advance(cx, taken);
            }
        }
        let mut ciphertext = Vec::new();
        while tls.wants_write() {
            tls.write_to(&mut ciphertext)?;
        }
        Ok((!ciphertext.is_empty()).then(|| Self::Ciphertext(ciphertext.into())))
    }

    /// What is to be written next of an open connection or of a refusal.
    pub(super) fn take<G>(stage: &mut Stage<G>) -> Option<Self> {
        match stage {
            Stage::Opening(_) => None,
            Stage::Refused(refusal) => {
                (!refusal.unsent.is_empty()).then(|| Self::Refusal(refusal.unsent.clone()))
            }
            Stage::Open(proto) => {
                let first = proto.take_front()?;
                let mut len = first.len();
                if len == proto.outbox().len() || len >= LEN_MAX {
                    return Some(Self::Front(first));
                }
                let mut pieces = vec![first];
                while pieces.len() < PIECES_MAX
                    && len < LEN_MAX
                    && let Some(next) = proto.take_front()
                {
                    len += next.len();
                    pieces.push(next);
                }
                Some(Self::Fronts(Fronts::new(pieces)))
            }
        }
    }

    /// How much is written of it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Front(front) => front.len().min(PIECE_LEN_MAX),
            Self::Fronts(fronts) => fronts.slices.iter().map(|slice| slice.iov_len).sum(),
            Self::Shared(bytes) | Self::Refusal(bytes) | Self::Ciphertext(bytes) => {
                bytes.len().min(PIECE_LEN_MAX)
            }
        }
    }

    /// Gives its memory back, when its connection is gone.
    pub(super) fn recycle(self, cx: &mut Context) {
        match self {
            Self::Front(front) => front.recycle(cx),
            Self::Fronts(fronts) => fronts.pieces.into_iter().for_each(|front| front.recycle(cx)),
            Self::Shared(_) | Self::Refusal(_) | Self::Ciphertext(_) => {}
        }
    }

    /// The memory of a load in one piece.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Front(front) => front,
            Self::Shared(bytes) | Self::Refusal(bytes) | Self::Ciphertext(bytes) => bytes,
            Self::Fronts(_) => &[],
        }
    }
}

impl Fronts {
    fn new(pieces: Vec<Front>) -> Self {
        let slice = |piece: &Front| libc::iovec {
            iov_base: piece.as_ptr().cast_mut().cast(),
            iov_len: piece.len().min(PIECE_LEN_MAX),
        };
        let mut slices: Vec<_> = pieces.iter().map(slice).collect();
        let header = Box::new(libc::msghdr {
            msg_name: std::ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: slices.as_mut_ptr(),
            msg_iovlen: slices.len(),
            msg_control: std::ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        });
        Self { pieces, slices, header }
    }

    /// Refers to the pieces, and is as good as long as they stay in here.
    pub(super) fn header(&self) -> *const libc::msghdr {
        &raw const *self.header
    }
}
