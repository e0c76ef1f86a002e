//! Target: frame headers, masks and Close bodies, as functions of bytes.

use tidewire_proto::{CloseFrame, FrameHeader, mask};

use crate::model;

/// One input.
pub fn run(data: &[u8]) {
    header(data);
    if let [cut, key @ .., _, _] = data
        && let Some((key, payload)) = key.split_first_chunk()
    {
        masking(*key, payload, usize::from(*cut));
    }
    close(data);
}

/// What is accepted is encoded again to the same bytes, and less of it asks for more.
fn header(bytes: &[u8]) {
    match FrameHeader::decode(bytes) {
        Ok(Some((header, len))) => {
            assert_eq!(&*header.encode(), &bytes[..len]);
            assert!(len <= FrameHeader::LEN_MAX && i64::try_from(header.len).is_ok());
            assert_eq!(header.opcode as u8, bytes[0] & 0x0F);
            assert_eq!(header.fin, bytes[0] & 0x80 != 0);
            assert_eq!(header.rsv, bytes[0] >> 4 & 7);
            let key = &bytes[..len][len - if bytes[1] & 0x80 == 0 { 0 } else { 4 }..];
            assert_eq!(header.masking_key.as_ref().map_or(&[][..], |key| key), key);
            let len_bytes = &bytes[2..len - key.len()];
            let wide = len_bytes.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
            let short = u64::from(bytes[1] & 0x7F);
            assert_eq!(header.len, if len_bytes.is_empty() { short } else { wide });
            for cut in 0..len {
                assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
            }
        }
        Ok(None) => assert!(bytes.len() < FrameHeader::LEN_MAX),
        Err(violation) => {
            // Once refused, always refused; and never before what is wrong has arrived.
            let enough = (0..=bytes.len()).find(|len| FrameHeader::decode(&bytes[..*len]).is_err());
            let enough = enough.expect("it was refused");
            assert!(enough <= 10, "a key cannot be wrong");
            for len in enough..=bytes.len() {
                assert_eq!(FrameHeader::decode(&bytes[..len]), Err(violation));
            }
        }
    }
}

/// §5.3 to the letter, with the payload in one piece and in two.
fn masking(key: [u8; 4], payload: &[u8], cut: usize) {
    let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    let mut masked = payload.to_vec();
    let (one, two) = masked.split_at_mut(cut.min(payload.len()));
    let next = mask::apply(key, one);
    let after = mask::apply(next, two);
    assert_eq!(masked, expected);
    let mut turned = key;
    turned.rotate_left(payload.len() % 4);
    assert_eq!(after, turned);
    let mut at_once = payload.to_vec();
    assert_eq!(mask::apply(key, &mut at_once), turned);
    assert_eq!(at_once, expected);
}

fn close(body: &[u8]) {
    match (CloseFrame::decode(body), model::close_body(body)) {
        (Ok(frame), Ok((code, reason))) => {
            assert_eq!(frame.is_empty(), code.is_none());
            assert_eq!(frame.code().get(), code.unwrap_or(1005));
            assert_eq!(frame.reason(), reason);
        }
        (Err(violation), Err(code)) => assert_eq!(violation.close_code().get(), code),
        (ours, expected) => panic!("{ours:?}, expected {expected:?}"),
    }
}
