//! [`HeadReader`]: finds the end of an HTTP/1.1 head in bytes that arrive piece by piece.
//!
//! Each byte is looked at once when it arrives, and the head is parsed once when it is whole, so
//! that 64 KiB sent byte by byte cost as much as in one piece (RUSTSEC-2023-0065). What smuggling
//! is made of is refused on the way: a lone LF or CR, NUL, folded lines.

use alloc::{vec, vec::Vec};
use core::mem;

use httparse::{EMPTY_HEADER, Error as ParseError, Status};

use super::{
    error::HeadError,
    headers::{Headers, is_field_byte},
    limits::HandshakeLimits,
};

/// Collects one head after the other.
#[derive(Debug)]
pub(super) struct HeadReader {
    head_len_max: usize,
    header_count_max: usize,
    head: Vec<u8>,
    place: Place,
    line_count: usize,
    /// How often a byte was looked at, to show that the time is linear.
    #[cfg(test)]
    pub(super) examined: usize,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the request line, where empty lines are ignored.
    Start,
    /// After the CR of such an empty line.
    StartCr,
    /// Within a line.
    Line,
    /// After the CR that ends a line.
    LineCr,
    /// At the beginning of a line that may be the empty one that ends the head.
    NewLine,
    /// After the CR of an empty line.
    EndCr,
}

impl HeadReader {
    pub(super) fn new(limits: &HandshakeLimits) -> Self {
        Self {
            head_len_max: limits.head_len_max,
            header_count_max: limits.header_count_max,
            head: Vec::new(),
            place: Place::Start,
            line_count: 0,
            #[cfg(test)]
            examined: 0,
        }
    }

    /// Whether a byte of the next head has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Takes bytes off the front of `input` up to the end of the head, and returns the head once
    /// it is whole. Then the reader is empty again, and what follows the head is still in `input`.
    pub(super) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HeadError> {
        let mut taken = 0;
        let mut end = false;
        for &byte in *input {
            if self.head.len() + taken == self.head_len_max {
                return Err(HeadError::TooLong { head_len_max: self.head_len_max });
            }
            taken += 1;
            end = self.step(byte)?;
            if end {
                break;
            }
        }
        #[cfg(test)]
        {
            self.examined += taken;
        }
        let (head, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
        self.head.extend_from_slice(head);
        *input = rest;
        if !end {
            return Ok(None);
        }
        self.place = Place::Start;
        let header_count = mem::take(&mut self.line_count).saturating_sub(1);
        Ok(Some(Head { bytes: mem::take(&mut self.head), header_count }))
    }

    /// Looks at one byte; true if it ends the head.
    fn step(&mut self, byte: u8) -> Result<bool, HeadError> {
        self.place = match (self.place, byte) {
            (Place::EndCr, b'\n') => return Ok(true),
            // RFC 9112 §2.2: "a server … SHOULD ignore at least one empty line (CRLF) received
            // prior to the request-line." head_len_max bounds them.
            (Place::StartCr, b'\n') => Place::Start,
            (Place::LineCr, b'\n') => Place::NewLine,
            (Place::StartCr | Place::LineCr | Place::EndCr, _) => {
                return Err(HeadError::LoneCarriageReturn);
            }
            (_, b'\n') => return Err(HeadError::LoneLineFeed),
            (Place::Start, b'\r') => Place::StartCr,
            (Place::Line, b'\r') => Place::LineCr,
            (Place::NewLine, b'\r') => Place::EndCr,
            (Place::NewLine, b' ' | b'\t') => return Err(HeadError::FoldedLine),
            (_, byte) if !is_field_byte(byte) => return Err(HeadError::ControlCharacter { byte }),
            (Place::Line, _) => Place::Line,
            (Place::Start | Place::NewLine, _) => {
                self.line_count += 1;
                if self.line_count > 1 + self.header_count_max {
                    let header_count_max = self.header_count_max;
                    return Err(HeadError::TooManyHeaders { header_count_max });
                }
                Place::Line
            }
        };
        Ok(false)
    }
}

/// The bytes of one head, with the empty line that ends it.
#[derive(Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    header_count: usize,
}

impl Head {
    /// Reads a request's head: method, target, minor version and header fields.
    pub(super) fn request(&self) -> Result<(&str, &str, Minor, Headers), HeadError> {
        let mut headers = vec![EMPTY_HEADER; self.header_count];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&self.bytes).map_err(error_of)? {
            Status::Complete(len) if len == self.bytes.len() => {}
            _ => return Err(HeadError::StartLine),
        }
        match (parsed.method, parsed.path, parsed.version) {
            (Some(method), Some(target), Some(minor)) => {
                Ok((method, target, Minor(minor), owned(parsed.headers)))
            }
            _ => Err(HeadError::StartLine),
        }
    }

    /// Reads a response's head.
    pub(super) fn response(&self) -> Result<(u16, Minor, Headers), HeadError> {
        // Empty lines are for servers to ignore (RFC 9112 §2.2), not for clients.
        if self.bytes.starts_with(b"\r") {
            return Err(HeadError::StartLine);
        }
        let mut headers = vec![EMPTY_HEADER; self.header_count];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(&self.bytes).map_err(error_of)? {
            Status::Complete(len) if len == self.bytes.len() => {}
            _ => return Err(HeadError::StartLine),
        }
        match (parsed.code, parsed.version) {
            (Some(status), Some(minor)) => Ok((status, Minor(minor), owned(parsed.headers))),
            _ => Err(HeadError::StartLine),
        }
    }
}

/// The minor version of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minor(pub(super) u8);

fn owned(parsed: &[httparse::Header<'_>]) -> Headers {
    let mut headers = Headers::new();
    for header in parsed {
        headers.push(header.name, header.value);
    }
    headers
}

fn error_of(error: ParseError) -> HeadError {
    match error {
        ParseError::Version => HeadError::Version,
        // The reader has counted the lines, so there are never more than were made room for.
        ParseError::HeaderName | ParseError::HeaderValue | ParseError::TooManyHeaders => {
            HeadError::Header
        }
        ParseError::NewLine | ParseError::Status | ParseError::Token => HeadError::StartLine,
    }
}
