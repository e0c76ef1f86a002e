//! As much of DER (ITU-T X.690) as it takes to find a public key in its wrapping.

/// The contents of one element, and what stands behind it.
type Element<'a> = (&'a [u8], &'a [u8]);

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Takes a `SubjectPublicKeyInfo` apart (RFC 5280 §4.1.2.7): the contents of its algorithm identifier, and the
/// key. Nothing may stand behind it.
pub(super) fn public_key_info(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, b"") = element(der, SEQUENCE)? else { return None };
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, b"") = element(rest, BIT_STRING)? else { return None };
    // The first octet counts the bits that are missing in the last one: a key is whole octets.
    let (0, key) = bits.split_first()? else { return None };
    Some((algorithm, key))
}

/// The modulus of an `RSAPublicKey` (RFC 8017 §A.1.1), without the zero in front that keeps it positive.
pub(super) fn rsa_modulus(der: &[u8]) -> Option<&[u8]> {
    let (key, b"") = element(der, SEQUENCE)? else { return None };
    let (modulus, exponent) = element(key, INTEGER)?;
    let (_, b"") = element(exponent, INTEGER)? else { return None };
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

fn element(der: &[u8], tag: u8) -> Option<Element<'_>> {
    let (&first, rest) = der.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        // §10.1: the shortest form. No key has more than 65,535 octets.
        0x81 => {
            let (&length, rest) = rest.split_first().filter(|(length, _)| **length >= 0x80)?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let length = u16::from_be_bytes(*length);
            (usize::from(Some(length).filter(|length| *length >= 0x100)?), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_by_rule() {
        let long = [&[SEQUENCE, 0x81, 0x80][..], &[7; 0x80]].concat();
        let longer = [&[SEQUENCE, 0x82, 0x01, 0x00][..], &[7; 0x100]].concat();
        let cases: &[(&str, &[u8], Option<Element<'_>>)] = &[
            ("short", &[SEQUENCE, 2, 1, 2, 3], Some((&[1, 2], &[3]))),
            ("empty", &[SEQUENCE, 0], Some((&[], &[]))),
            ("of 128", &long, Some((&[7; 0x80], &[]))),
            ("of 256", &longer, Some((&[7; 0x100], &[]))),
            ("another tag", &[INTEGER, 0], None),
            ("nothing", &[], None),
            ("no length", &[SEQUENCE], None),
            ("cut short", &[SEQUENCE, 2, 1], None),
            ("§10.1 127 fits one octet", &[SEQUENCE, 0x81, 0x7F], None),
            ("§10.1 255 fits two", &[SEQUENCE, 0x82, 0x00, 0xFF], None),
            ("§10.1 of indefinite length", &[SEQUENCE, 0x80, 0, 0], None),
            ("longer than any key", &[SEQUENCE, 0x83, 1, 0, 0], None),
        ];
        for (rule, der, expected) in cases {
            assert_eq!(element(der, SEQUENCE), *expected, "{rule}");
        }
    }
}
