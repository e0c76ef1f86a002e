//! What stands for TLS where it is not built in: a type that nothing has.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the twin of the real one")]

use std::io::{self, IoSlice};

pub(crate) enum Config {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn with_config(config: &Config) -> Result<Self, std::convert::Infallible> {
        match *config {}
    }

    pub(crate) fn receive(&mut self, _input: &mut &[u8]) -> Result<(), std::convert::Infallible> {
        match *self {}
    }

    pub(crate) fn read(&mut self, _buffer: &mut [u8]) -> usize {
        match *self {}
    }

    pub(crate) fn write(&mut self, _chunks: &[IoSlice<'_>]) -> usize {
        match *self {}
    }

    pub(crate) const fn held_len(&self) -> usize {
        match *self {}
    }

    pub(crate) const fn taken(&mut self, _len: usize, _all: bool) {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn write_to(&mut self, _socket: &mut dyn io::Write) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn end_sending(&mut self) -> bool {
        match *self {}
    }
}
