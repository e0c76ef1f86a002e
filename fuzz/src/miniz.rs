//! DEFLATE by `miniz_oxide`, as RFC 7692 uses it.

use miniz_oxide::{
    deflate::{
        core::{CompressorOxide, create_comp_flags_from_zip_params},
        stream::deflate,
    },
    inflate::{
        TINFLStatus,
        core::{
            DecompressorOxide, decompress,
            inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
        },
    },
    {MZError, MZFlush, MZStatus},
};

/// What a compressed message leaves out at its end (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// A compressor that remembers what it compressed: raw, 32 KiB of window.
pub struct Deflater(Box<CompressorOxide>);

impl Deflater {
    /// A compressor of this level, 0 to 9.
    pub fn new(level: u8) -> Self {
        let flags = create_comp_flags_from_zip_params(level.into(), -15, 0);
        Self(Box::new(CompressorOxide::new(flags)))
    }

    /// One message without its tail (§7.2.1).
    pub fn message(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = self.run(plain, MZFlush::Sync);
        assert!(out.ends_with(&TAIL), "a flush ends in an empty stored block");
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// One message that ends in a block with BFINAL=1, and the 0x00 that §7.2.1 wants behind it.
    /// The compressor has forgotten everything then.
    pub fn final_message(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = self.run(plain, MZFlush::Finish);
        out.push(0);
        self.0.reset();
        out
    }

    fn run(&mut self, mut plain: &[u8], flush: MZFlush) -> Vec<u8> {
        let mut out = Vec::new();
        let mut room = vec![0; 1 << 16];
        loop {
            let result = deflate(&mut self.0, plain, &mut room, flush);
            plain = &plain[result.bytes_consumed..];
            out.extend(&room[..result.bytes_written]);
            match result.status {
                Ok(MZStatus::StreamEnd) | Err(MZError::Buf) => return out,
                Ok(_) if result.bytes_written < room.len() && plain.is_empty() => return out,
                Ok(_) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// One message compressed by itself.
pub fn deflate_message(plain: &[u8], level: u8) -> Vec<u8> {
    Deflater::new(level).message(plain)
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not DEFLATE data, or cut off.
    Invalid,
    /// Longer than allowed.
    TooLong,
}

/// Inflates messages into one flat buffer: whatever was there before may be referred to.
#[derive(Debug, Default)]
pub struct Inflater {
    history: Vec<u8>,
}

impl Inflater {
    /// Inflates one message (§7.2.2) of at most `len_max` bytes.
    pub fn message(&mut self, payload: &[u8], len_max: usize) -> Result<Vec<u8>, Refused> {
        let begin = self.history.len();
        let mut run =
            Run { out: std::mem::take(&mut self.history), at: begin, limit: begin + len_max };
        run.out.resize(begin + len_max + 1, 0);
        let mut state = State::Between;
        state = run.feed(state, payload)?;
        // Behind a block with BFINAL=1, or where there is nothing at all, the tail may be missing:
        // §7.2.1 wants a 0x00 there, which peers are known to leave out.
        if let State::Within(_) = state {
            state = run.feed(state, &TAIL)?;
        }
        if let State::Within(_) = state {
            // It must stand between two blocks: then an empty last one ends it, and adds nothing.
            let at = run.at;
            state = run.feed(state, &[0x03, 0x00])?;
            if run.at != at || !matches!(state, State::Between) {
                return Err(Refused::Invalid);
            }
        }
        run.out.truncate(run.at);
        let message = run.out[begin..].to_vec();
        self.history = run.out;
        Ok(message)
    }

    /// Forgets what came before.
    pub fn forget(&mut self) {
        self.history.clear();
    }
}

/// Where a stream stands.
enum State {
    /// At its beginning, or behind a block with BFINAL=1.
    Between,
    /// Somewhere else.
    Within(Box<DecompressorOxide>),
}

struct Run {
    out: Vec<u8>,
    at: usize,
    limit: usize,
}

impl Run {
    fn feed(&mut self, mut state: State, mut input: &[u8]) -> Result<State, Refused> {
        while !input.is_empty() {
            let mut decompressor = match state {
                State::Between => Box::default(),
                State::Within(decompressor) => decompressor,
            };
            let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let (status, consumed, produced) =
                decompress(&mut decompressor, input, &mut self.out, self.at, flags);
            input = &input[consumed..];
            self.at += produced;
            if self.at > self.limit {
                return Err(Refused::TooLong);
            }
            state = match status {
                TINFLStatus::Done => State::Between,
                TINFLStatus::NeedsMoreInput => State::Within(decompressor),
                TINFLStatus::HasMoreOutput => return Err(Refused::TooLong),
                _ => return Err(Refused::Invalid),
            };
        }
        Ok(state)
    }
}
