//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 §4.1 item 7, §4.2.2 item 5.4).

use alloc::string::String;

use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{GeneralPurpose, general_purpose::PAD},
};
use sha1_smol::Sha1;

/// §1.3: "the Globally Unique Identifier … which is unlikely to be used by network endpoints that
/// do not understand the WebSocket Protocol."
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The grammar of a key (§4.3, `base64-value`) says nothing of the bits that base64 leaves unused
/// in the last character, and RFC 4648 §3.5 lets a decoder take them as they come.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, PAD.with_decode_allow_trailing_bits(true));

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`, as it stands in its header
/// (RFC 6455 §4.2.2 item 5.4).
///
/// ```
/// // §1.3
/// let accept = tidewire_proto::handshake::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    BASE64.encode(sha1.digest().bytes())
}

/// The value of `Sec-WebSocket-Key` for 16 random bytes.
pub(super) fn encode_key(nonce: [u8; 16]) -> String {
    BASE64.encode(nonce)
}

/// `Basic` credentials (RFC 7617 §2).
pub(super) fn encode_basic(user: &[u8], password: &[u8]) -> String {
    let credentials = [user, b":", password].concat();
    String::from("Basic ") + &BASE64.encode(credentials)
}

/// §4.2.1 item 5: "a base64-encoded … value that, when decoded, is 16 bytes in length".
pub(super) fn is_valid_key(key: &[u8]) -> bool {
    let mut decoded = [0; 18]; // as much as 24 characters can hold; a longer key is an error
    BASE64.decode_slice(key, &mut decoded) == Ok(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_keys_of_16_bytes() {
        let cases: &[(&str, bool)] = &[
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("AAAAAAAAAAAAAAAAAAAAAA==", true),
            ("//////////////////////==", true), // unused bits are set
            ("", false),
            ("AAAA", false),                     // 3 bytes
            ("AAAAAAAAAAAAAAAAAAAAAAAA", false), // 18 bytes
            ("AAAAAAAAAAAAAAAAAAAAAAA=", false), // 17 bytes
            ("AAAAAAAAAAAAAAAAAAAA", false),     // 15 bytes
            ("AAAAAAAAAAAAAAAAAAAAAA", false),   // no padding
            ("AAAAAAAAAAAAAAAAAAAAA===", false), // too much of it
            ("AAAAAAAAAA*AAAAAAAAAAA==", false), // not base64
            ("AAAAAAAAAA-_AAAAAAAAAA==", false), // that of URLs
            ("AAAAAAAAAAAAAAAAAAAAAA== ", false),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", false), // 34 bytes
        ];
        for (key, valid) in cases {
            assert_eq!(is_valid_key(key.as_bytes()), *valid, "{key:?}");
        }
    }

    #[test]
    fn c6_what_we_encode_is_valid() {
        for byte in [0, 0x55, 0xFF] {
            assert!(is_valid_key(encode_key([byte; 16]).as_bytes()));
        }
        assert_eq!(encode_key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }
}
