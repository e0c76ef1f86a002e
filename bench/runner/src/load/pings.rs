//! The Pings of a server that keeps its connections alive, and our answers.

use crate::Result;

/// A Ping may stand between any two frames (RFC 6455 §5.5.2), so the echo that is compared has
/// gaps. What is cut by the end of a read waits here, and so does what is to be answered.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// The beginning of a Ping.
    cut: Vec<u8>,
    /// Pongs that are still to be sent.
    pub(super) pongs: Vec<u8>,
}

/// FIN and the opcode (§5.2): no frame of an echo begins like this.
pub(super) const FIRST: u8 = 0x89;
const PONG: u8 = 0x8A;
const MASKED: u8 = 0x80;
/// §5.5: "All control frames MUST have a payload length of 125 bytes or less".
const PAYLOAD_LEN_MAX: u8 = 125;

impl Pings {
    /// Whether the next bytes belong to a Ping that has begun.
    pub(super) fn is_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    /// Takes a Ping, or a part of one, off the front of `came`, and answers with what follows it.
    pub(super) fn take<'c>(&mut self, came: &'c [u8]) -> Result<&'c [u8]> {
        for (place, &byte) in came.iter().enumerate() {
            self.cut.push(byte);
            if let [_, len, payload @ ..] = &self.cut[..] {
                if *len > PAYLOAD_LEN_MAX {
                    return Err("not an echo: a Ping that is masked, or too long".into());
                }
                if payload.len() == usize::from(*len) {
                    let ping = std::mem::take(&mut self.cut);
                    self.answer(&ping[2..]);
                    return Ok(&came[place + 1..]);
                }
            }
        }
        Ok(&[])
    }

    /// §5.5.3: a Pong has "identical Application data as found in the message body of the Ping".
    pub(super) fn answer(&mut self, payload: &[u8]) {
        // A masking key of zeros: the payload stays as it is.
        self.pongs.extend_from_slice(&[PONG, MASKED | payload.len() as u8, 0, 0, 0, 0]);
        self.pongs.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_a_ping_however_it_is_cut() {
        let came = [FIRST, 2, b'h', b'i', 0x81];
        for cut in 1..4 {
            let mut pings = Pings::default();
            assert!(pings.take(&came[..cut]).unwrap().is_empty());
            assert!(pings.is_cut(), "cut at {cut}");
            assert_eq!(pings.take(&came[cut..]).unwrap(), [0x81]);
            assert_eq!(pings.pongs, [PONG, MASKED | 2, 0, 0, 0, 0, b'h', b'i']);
            assert!(!pings.is_cut());
        }
    }

    #[test]
    fn payloads_have_up_to_125_bytes_and_no_mask() {
        let ping = |len: u8| [&[FIRST, len][..], &[7; 125]].concat();
        for len in [0, 1, 125] {
            let rest = Pings::default().take(&ping(len)).unwrap().len();
            assert_eq!(rest, 125 - usize::from(len));
        }
        for len in [126, 127, MASKED, MASKED | 5] {
            assert!(Pings::default().take(&ping(len)).is_err(), "{len}");
        }
    }
}
