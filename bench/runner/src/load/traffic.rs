//! The bytes of one scenario, computed once: what each connection sends, and what must come back.

use crate::{
    scenario::{Kind, Scenario},
    task::Task,
};

/// What a server does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// An opening handshake, then masked frames in and unmasked frames out.
    WebSocket,
    /// No protocol at all: bytes come back as they were. The limit of what an echo can cost.
    Raw,
}

/// Every connection sends the same ring of frames over and over, from a start of its own, so both
/// directions are periodic and a byte's place in the stream says what it must be.
pub(crate) struct Traffic {
    sent: Ring,
    returned: Ring,
    pub(crate) in_flight: usize,
    frame_count: usize,
}

/// Frames of equal length, the whole ring twice in a row: any window of up to one round is one
/// slice.
#[derive(Clone)]
struct Ring {
    bytes: Vec<u8>,
    frame_len: usize,
}

impl Ring {
    fn new(frames: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut bytes = Vec::new();
        let mut frame_len = 0;
        for frame in frames {
            frame_len = frame.len();
            bytes.extend_from_slice(&frame);
        }
        bytes.extend_from_within(..);
        Self { bytes, frame_len }
    }

    fn window(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[first * self.frame_len..(first + count) * self.frame_len]
    }
}

/// Distinct frames in a ring, so that no server is fed one frame for ever.
const FRAME_COUNT: usize = 16;
/// ... or fewer, where they are large.
const RING_LEN_MAX: usize = 512 << 10;

impl Traffic {
    pub(crate) fn new(scenario: &Scenario, speaks: Speaks, task: Task) -> Self {
        let many = RING_LEN_MAX / scenario.payload_len.max(1);
        let frame_count = FRAME_COUNT.min(many).max(2).max(scenario.in_flight);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut masked = Vec::with_capacity(frame_count);
        let mut plain = Vec::with_capacity(frame_count);
        for number in 0..frame_count {
            let payload = match scenario.kind {
                Kind::Text => text(number, scenario.payload_len),
                Kind::Binary => {
                    (0..scenario.payload_len).map(|_| random.next().to_le_bytes()[3]).collect()
                }
            };
            let key = (random.next() as u32 | 0x0101_0101).to_le_bytes();
            masked.push(frame(scenario.kind, Some(key), &payload));
            plain.push(frame(scenario.kind, None, &payload));
        }
        let (masked, plain) = (Ring::new(masked.into_iter()), Ring::new(plain.into_iter()));
        let (sent, returned) = match (speaks, task) {
            (Speaks::WebSocket, _) => (masked, plain),
            // What a publisher sends is little beside what is delivered, and that shall be what
            // a WebSocket server delivers.
            (Speaks::Raw, Task::Fanout) => (plain.clone(), plain),
            (Speaks::Raw, _) => (masked.clone(), masked),
        };
        Self { sent, returned, in_flight: scenario.in_flight, frame_count }
    }

    /// Where in the ring connection `number` starts.
    pub(crate) fn start_of(&self, number: usize) -> usize {
        number % self.frame_count
    }

    /// Where in the ring the window after the one at `first` starts.
    pub(crate) fn after(&self, first: usize) -> usize {
        (first + self.in_flight) % self.frame_count
    }

    /// All bytes of the window at `first`, as they are sent.
    pub(crate) fn sent(&self, first: usize) -> &[u8] {
        self.sent.window(first, self.in_flight)
    }

    /// All bytes of the window at `first`, as they must come back.
    pub(crate) fn returned(&self, first: usize) -> &[u8] {
        self.returned.window(first, self.in_flight)
    }
}

/// One final data frame (RFC 6455 §5.2), masked if there is a key.
fn frame(kind: Kind, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![if kind == Kind::Text { 0x81 } else { 0x82 }];
    let len = payload.len();
    if let (Ok(len), true) = (u8::try_from(len), len <= 125) {
        frame.push(masked | len);
    } else if let Ok(len) = u16::try_from(len) {
        frame.push(masked | 126);
        frame.extend_from_slice(&len.to_be_bytes());
    } else {
        frame.push(masked | 127);
        frame.extend_from_slice(&(len as u64).to_be_bytes());
    }
    match key {
        Some(key) => {
            frame.extend_from_slice(&key);
            frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        None => frame.extend_from_slice(payload),
    }
    frame
}

/// JSON as chats send it: mostly ASCII, with a letter beyond it now and then.
fn text(number: usize, len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len);
    let mut line = 0;
    while text.len() < len {
        let next = format!(r#"{{"id":{line},"user":"Zoë","text":"high tide at {number}"}}"#);
        line += 1;
        if text.len() + next.len() > len {
            break;
        }
        text.push_str(&next);
    }
    text.extend(std::iter::repeat_n('~', len - text.len()));
    text.into_bytes()
}

/// xorshift64: the same traffic in every run. Not for anything that must be hard to guess; a
/// masking key on loopback is not.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(scenario: &str, speaks: Speaks) -> Traffic {
        Traffic::new(&scenario.parse().unwrap(), speaks, Task::Echo)
    }

    #[test]
    fn a_frame_is_as_rfc_6455_5_7_shows_it() {
        assert_eq!(frame(Kind::Text, None, b"Hello"), [0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(
            frame(Kind::Text, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello"),
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
        assert_eq!(frame(Kind::Binary, None, &[0; 126])[..4], [0x82, 126, 0, 126]);
        assert_eq!(
            frame(Kind::Binary, None, &vec![0; 65536])[..10],
            [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }

    #[test]
    fn what_comes_back_is_what_was_sent_without_the_mask() {
        let traffic = traffic("125x3x16", Speaks::WebSocket);
        let mut first = traffic.start_of(2);
        for _ in 0..40 {
            let sent = traffic.sent(first);
            let returned = traffic.returned(first);
            assert_eq!((sent.len(), returned.len()), (16 * 131, 16 * 127));
            for (sent, returned) in sent.chunks(131).zip(returned.chunks(127)) {
                let key = &sent[2..6];
                let unmasked: Vec<u8> = sent[6..]
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key)
                    .collect();
                assert_eq!(unmasked, &returned[2..]);
            }
            first = traffic.after(first);
        }
    }

    #[test]
    fn raw_traffic_comes_back_as_it_was() {
        let traffic = traffic("1KiBx1x2", Speaks::Raw);
        assert_eq!(traffic.sent(1), traffic.returned(1));
    }

    #[test]
    fn raw_deliveries_are_what_a_websocket_server_delivers() {
        let scenario = "1KiBx1x2".parse().unwrap();
        let raw = Traffic::new(&scenario, Speaks::Raw, Task::Fanout);
        let ws = Traffic::new(&scenario, Speaks::WebSocket, Task::Fanout);
        assert_eq!(raw.sent(1), ws.returned(1));
        assert_eq!(raw.returned(1), ws.returned(1));
    }

    #[test]
    fn text_has_the_length_asked_for_and_is_text() {
        for len in [0, 1, 20, 125, 1024, 16384] {
            let text = String::from_utf8(text(3, len)).unwrap();
            assert_eq!(text.len(), len);
        }
    }
}
