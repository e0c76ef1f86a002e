//! [`Body`]: reads the body of a response that refuses (RFC 9112 §6, §7.1), as far as wanted.
//!
//! It is for people to read. So where its framing is malformed, it ends there instead of hiding
//! the refusal behind another error.

use alloc::vec::Vec;

use super::headers::{Headers, Occurrence};

/// The longest line before a chunk, with its extensions.
const CHUNK_LINE_LEN_MAX: usize = 256;

/// What of the body is still to come.
#[derive(Debug)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Everything until the stream ends.
    UntilClose,
    /// Chunks; we are within the line that announces one.
    ChunkLine(Vec<u8>),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// So many bytes of the line end after a chunk.
    ChunkEnd(u8),
}

impl Body {
    /// The framing of a final response to GET (RFC 9112 §6.3).
    pub(super) fn of_response(status: u16, headers: &Headers) -> Self {
        if matches!(status, 204 | 304) {
            return Self::Length(0);
        }
        if headers.contains("transfer-encoding") {
            return if headers.list_contains("transfer-encoding", "chunked") {
                Self::ChunkLine(Vec::new())
            } else {
                Self::UntilClose
            };
        }
        match headers.single("content-length") {
            Occurrence::Once(value) if value.iter().all(u8::is_ascii_digit) => {
                core::str::from_utf8(value)
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .map_or(Self::UntilClose, Self::Length)
            }
            _ => Self::UntilClose,
        }
    }

    /// Moves bytes of the body from `input` to `out`, which never grows beyond `len_max`; true
    /// once there are no more to wait for.
    pub(super) fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>, len_max: usize) -> bool {
        loop {
            let room = len_max.saturating_sub(out.len());
            match self {
                Self::Length(0) => return true,
                Self::Chunk(0) => *self = Self::ChunkEnd(2),
                Self::Length(left) | Self::Chunk(left) => {
                    *left -= take(input, *left, room, out);
                    if *left > 0 {
                        return out.len() >= len_max;
                    }
                }
                Self::UntilClose => {
                    take(input, u64::MAX, room, out);
                    return out.len() >= len_max;
                }
                Self::ChunkLine(line) => {
                    let Some((&byte, rest)) = input.split_first() else { return false };
                    *input = rest;
                    line.push(byte);
                    if byte == b'\n' {
                        match httparse::parse_chunk_size(line) {
                            Ok(httparse::Status::Complete((_, len))) if len > 0 => {
                                *self = Self::Chunk(len);
                            }
                            _ => return true, // the last chunk, or none
                        }
                    } else if line.len() == CHUNK_LINE_LEN_MAX {
                        return true;
                    }
                }
                Self::ChunkEnd(0) => *self = Self::ChunkLine(Vec::new()),
                Self::ChunkEnd(left) => {
                    let Some((_, rest)) = input.split_first() else { return false };
                    *input = rest;
                    *left -= 1;
                }
            }
        }
    }
}

/// Moves bytes: at most `left`, at most `room`. Returns how many.
fn take(input: &mut &[u8], left: u64, room: usize, out: &mut Vec<u8>) -> u64 {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(room).min(input.len());
    let (taken, rest) = input.split_at(len);
    out.extend_from_slice(taken);
    *input = rest;
    len as u64
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    fn read(
        headers: &[(&str, &str)],
        status: u16,
        pieces: &[&[u8]],
        len_max: usize,
    ) -> (String, bool) {
        let all = Headers::from_fields(headers.iter().copied()).unwrap();
        let mut body = Body::of_response(status, &all);
        let (mut out, mut done) =
            (Vec::new(), body.receive(&mut &[][..], &mut Vec::new(), len_max));
        for piece in pieces {
            if !done {
                done = body.receive(&mut &**piece, &mut out, len_max);
            }
        }
        (String::from_utf8(out).unwrap(), done)
    }

    /// Rule, headers, status, bytes; the body, and whether it is whole.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a [u8], &'a str, bool);

    #[test]
    fn c2_bodies_by_section() {
        let length = |value| [("Content-Length", value)];
        let chunked = [("Transfer-Encoding", "Chunked")];
        let chunks = &b"4;x=y\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n"[..];
        let long_line = format!("1{}", " ".repeat(CHUNK_LINE_LEN_MAX));
        let cases: &[Row<'_>] = &[
            ("RFC 9112 §6.2 length", &length("3"), 404, b"abcd", "abc", true),
            ("RFC 9112 §6.2 more to come", &length("3"), 404, b"ab", "ab", false),
            ("RFC 9112 §6.2 none", &length("0"), 404, b"ab", "", true),
            ("RFC 9112 §6.3 bad length", &length("+3"), 404, b"abcd", "abcd", false),
            ("RFC 9112 §6.3 huge length", &length("99999999999999999999"), 404, b"a", "a", false),
            ("RFC 9112 §6.3 until close", &[], 404, b"abcd", "abcd", false),
            ("RFC 9112 §6.3 304 has none", &length("3"), 304, b"abc", "", true),
            ("RFC 9112 §7.1 chunks", &chunked, 404, chunks, "abcde", true),
            ("RFC 9112 §7.1 more to come", &chunked, 404, b"4\r\nab", "ab", false),
            ("RFC 9112 §7.1 malformed", &chunked, 404, b"2\r\nab\r\nx\r\n", "ab", true),
            ("RFC 9112 §7.1 line too long", &chunked, 404, long_line.as_bytes(), "", true),
            ("C2 cut off", &length("9"), 404, b"abcdefgh", "abcdef", true),
            ("C2 cut off", &[], 404, b"abcdefgh", "abcdef", true),
            ("C2 cut off", &chunked, 404, b"8\r\nabcdefgh", "abcdef", true),
        ];
        for (rule, headers, status, bytes, body, done) in cases {
            let expected = (String::from(*body), *done);
            assert_eq!(read(headers, *status, &[bytes], 6), expected, "{rule}");
            let pieces: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(headers, *status, &pieces, 6), expected, "{rule}, byte by byte");
        }
    }
}
