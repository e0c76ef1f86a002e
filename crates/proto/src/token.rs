//! The `token` of HTTP (RFC 9110 §5.6.2), of which the handshake's header fields are made.

/// Whether `byte` is a `tchar`: a visible ASCII character that is no delimiter.
pub(crate) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

/// Whether `text` is a `token`: one `tchar` or more.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// Whether `byte` is optional white space (`OWS`, RFC 9110 §5.6.3).
pub(crate) const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
