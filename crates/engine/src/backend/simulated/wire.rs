//! [`Wire`]: what lies between a peer's bytes and its socket, which is TLS or nothing.

#[cfg(feature = "ring")]
use std::io::{Read as _, Write as _};

/// Bytes on their way to a socket, encrypted where the peer speaks TLS.
#[derive(Debug, Default)]
pub(super) struct Wire {
    #[cfg(feature = "ring")]
    tls: Option<rustls::ClientConnection>,
    /// What the socket has not taken yet.
    pub(super) waiting: Vec<u8>,
}

impl Wire {
    #[cfg(feature = "ring")]
    pub(super) fn tls(mut tls: rustls::ClientConnection) -> Self {
        tls.set_buffer_limit(None);
        Self { tls: Some(tls), waiting: Vec::new() }
    }

    /// What these bytes say.
    #[cfg_attr(
        not(feature = "ring"),
        expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "it is TLS's")
    )]
    pub(super) fn receive(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        #[cfg(feature = "ring")]
        if let Some(tls) = &mut self.tls {
            let (mut input, mut plaintext) = (&bytes[..], Vec::new());
            loop {
                let before = input.len();
                if before > 0 {
                    tls.read_tls(&mut input).unwrap();
                    tls.process_new_packets().expect("good TLS");
                }
                // An end without close_notify is an end.
                let _ = tls.reader().read_to_end(&mut plaintext);
                if input.len() == before {
                    assert!(input.is_empty(), "bytes behind a close_notify");
                    break;
                }
            }
            self.send(b"");
            return plaintext;
        }
        bytes
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        #[cfg(feature = "ring")]
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes).unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut self.waiting).unwrap();
            }
            return;
        }
        self.waiting.extend(bytes);
    }
}
