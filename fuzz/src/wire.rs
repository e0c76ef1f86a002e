//! Frames on the wire, read and written without any code of the crate under test.

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: FIN, RSV1 to 3, opcode.
    pub first: u8,
    /// Whether the mask bit is set.
    pub masked: bool,
    /// Unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The opcode.
    pub fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    /// FIN.
    pub fn is_last(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// RSV1 to 3, RSV1 topmost.
    pub fn rsv(&self) -> u8 {
        self.first >> 4 & 7
    }
}

/// Takes whole frames off the front of `bytes` and leaves what is cut. Insists on shortest lengths.
pub fn take_frames(bytes: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some((frame, len)) = first_frame(&bytes[at..]) {
        frames.push(frame);
        at += len;
    }
    bytes.drain(..at);
    frames
}

fn first_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let masked = second >= 128;
    let (len, mut at) = match second % 128 {
        126 => {
            let len = usize::from(*bytes.get(2)?) << 8 | usize::from(*bytes.get(3)?);
            assert!(len > 125, "not the shortest form: {len}");
            (len, 4)
        }
        127 => {
            let len = bytes.get(2..10)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            assert!(len > 0xFFFF, "not the shortest form: {len}");
            (len, 10)
        }
        len => (usize::from(len), 2),
    };
    let mut key = [0; 4];
    if masked {
        key.copy_from_slice(bytes.get(at..at + 4)?);
        at += 4;
    }
    let payload = bytes.get(at..at + len)?;
    let payload = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    Some((Frame { first, masked, payload }, at + len))
}

/// How the length of a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// As §5.2 demands.
    Shortest,
    /// In 16 bits, whatever it is.
    Wide,
    /// In 64 bits, whatever it is.
    Widest,
}

/// One frame, masked where `key` is given.
pub fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8], form: LengthForm) -> Vec<u8> {
    let mut out = vec![first];
    let mask_bit = if key.is_some() { 128 } else { 0 };
    match (form, payload.len()) {
        (LengthForm::Shortest, len @ 0..=125) => out.push(mask_bit | len as u8),
        (LengthForm::Shortest | LengthForm::Wide, len @ 0..=0xFFFF) => {
            out.push(mask_bit | 126);
            out.extend((len as u16).to_be_bytes());
        }
        (_, len) => {
            out.push(mask_bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or_default();
    out.extend(key.iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key_bytes[i % 4]));
    out
}
