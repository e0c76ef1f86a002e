use alloc::{format, vec};

use proptest::prelude::*;

use super::{parser::List, *};
use ExtensionError as E;

#[test]
fn lists_by_section() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("§9.1 one", &["foo"], "foo"),
        ("§9.1 a list keeps its order", &["foo, bar;a"], "foo, bar; a"),
        ("§9.1 several lines are one list", &["foo; a=1", "bar", "foo"], "foo; a=1, bar, foo"),
        ("§9.1 the RFC's example", &["bar; baz=2"], "bar; baz=2"),
        ("§9.1 quoted", &["foo; a=\"10\""], "foo; a=10"),
        ("§9.1 quoted and escaped", &["foo; a=\"1\\0\\a\""], "foo; a=10a"),
        ("RFC 2616 §2.1 implied white space", &["\tfoo ;\ta = 1 , bar "], "foo; a=1, bar"),
        ("RFC 9110 §5.6.1.2 empty elements", &[",, foo ,,bar,", "", ","], "foo, bar"),
        ("RFC 9110 §5.6.1.2 nothing at all", &["", " "], ""),
        ("D2 an empty value is for the extension", &["foo; a=; b"], "foo; a=\"\"; b"),
        ("D2 also a quoted one", &["foo; a=\"\""], "foo; a=\"\""),
    ];
    for (rule, lines, canonical) in cases {
        let list = parse(lines.iter().map(|line| line.as_bytes())).unwrap();
        assert_eq!(to_header_value(&list), *canonical, "{rule}");
    }
}

#[test]
fn malformed_by_section() {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let cases: &[(&str, &str, E)] = &[
        ("H16 §9.1 unclosed quote", "foo; a=\"b", E::UnclosedQuote),
        ("H16 §9.1 unclosed quote after an escape", "foo; a=\"b\\", E::UnclosedQuote),
        ("H16 §9.1 quotes hide no comma", "a; b=\"1, c\"", E::ValueNotToken { byte: b',' }),
        ("H16 §9.1 nor an escaped quote", "a; b=\"\\\"\"", E::ValueNotToken { byte: b'"' }),
        ("H16 §9.1 quoted value without a name", "\"foo\"", unexpected(b'"', 0)),
        ("H16 §9.1 two words", "foo bar", unexpected(b'b', 4)),
        ("H16 §9.1 two values", "foo; a=1 2", unexpected(b'2', 9)),
        ("H16 §9.1 value after a quote", "foo; a=\"1\"2", unexpected(b'2', 10)),
        ("H16 §9.1 empty parameter", "foo;", E::UnexpectedEnd),
        ("H16 §9.1 empty parameter within", "foo; ; a", unexpected(b';', 5)),
        ("H16 §9.1 parameter without a name", "foo; =1", unexpected(b'=', 5)),
        ("H16 §9.1 not ASCII", "foo; a=\u{e9}", unexpected(0xC3, 7)),
        ("H16 §9.1 NUL", "foo\0", unexpected(0, 3)),
        ("H16 10^5 parameters", &many("a;", 100_000), E::TooManyParams),
        ("H16 64 KiB of commas", &many(",", 65_536), E::TooManyEmptyElements),
        ("H16 10^5 extensions", &many("a,", 100_000), E::TooManyExtensions),
    ];
    for (rule, line, error) in cases {
        assert_eq!(parse([line.as_bytes()]), Err(*error), "{rule}");
    }
}

fn unexpected(byte: u8, at: usize) -> ExtensionError {
    ExtensionError::UnexpectedByte { byte, at }
}

#[test]
fn h16_limits_at_and_beyond() {
    let cases: &[(&str, &str, &str, usize, E)] = &[
        ("extensions", "a", ",a", EXTENSION_COUNT_MAX - 1, E::TooManyExtensions),
        ("parameters", "a", ";b", PARAM_COUNT_MAX, E::TooManyParams),
        ("empty elements", "", ",", EMPTY_ELEMENT_COUNT_MAX, E::TooManyEmptyElements),
    ];
    for (limit, start, more, count, error) in cases {
        let at = format!("{start}{}", more.repeat(*count));
        assert!(parse([at.as_bytes()]).is_ok(), "{limit}");
        let beyond = format!("{start}{}", more.repeat(count + 1));
        assert_eq!(parse([beyond.as_bytes()]), Err(*error), "{limit}");
    }
    // The limits hold over all lines, not for each.
    let lines = vec![b"a".as_slice(); EXTENSION_COUNT_MAX + 1];
    assert_eq!(parse(lines), Err(E::TooManyExtensions));
    let lines = vec![b",".as_slice(); EMPTY_ELEMENT_COUNT_MAX + 1];
    assert_eq!(parse(lines), Err(E::TooManyEmptyElements));
}

/// H16: whatever the bytes are, each is looked at a fixed number of times.
fn examined(line: &[u8]) -> usize {
    let mut list = List::default();
    let _ = list.line(line);
    list.examined
}

#[test]
fn h16_time_is_linear() {
    let len = if cfg!(miri) { 256 } else { 65_536 };
    for piece in [" ", "\t", "a", "\\\"", "a;", "a=", "\"", ";", "=", "a=\"", "a b", "\"\\"] {
        for start in ["", "a", "a;", "a;b=", "a;b=\""] {
            let line = format!("{start}{}", piece.repeat(len / piece.len()));
            assert!(examined(line.as_bytes()) <= 4 * line.len(), "{start}{piece}…");
        }
    }
}

#[test]
fn what_is_written_is_made_of_tokens() {
    for bad in ["", "a b", "a\r\nb", "a;b", "a,b", "\u{e9}", "\"a\""] {
        assert_eq!(Extension::new(bad), Err(E::NotAToken));
        let foo = || Extension::new("foo").unwrap();
        assert_eq!(foo().with_param(bad, None::<&str>), Err(E::NotAToken));
        assert_eq!(foo().with_param("a", Some(bad)), Err(E::NotAToken));
    }
}

#[cfg(feature = "deflate")]
#[test]
fn known_words_are_written_as_they_are() {
    let mut known = Extension::known("foo");
    known.push_known("a", Some(Cow::Borrowed("1")));
    known.push_known("b", None);
    assert_eq!(known.to_string(), "foo; a=1; b");
}

proptest! {
    #[test]
    fn never_panics_and_stays_linear(
        line in "[ab=;,\" \\\\\t]{0,64}|[\\x00-\\xff]{0,64}".prop_map(String::into_bytes),
    ) {
        let _ = parse([line.as_slice()]);
        prop_assert!(examined(&line) <= 4 * line.len() + 4);
    }

    /// What is written is read as the same list.
    #[test]
    fn writing_undoes_reading(
        lines in prop::collection::vec(
            "[ab]; [ab]( ?= ?(\"[ab]{0,2}\"|[ab]{1,2}))?(,[ab])?",
            0..4,
        ),
    ) {
        let list = parse(lines.iter().map(String::as_bytes)).unwrap();
        let written = to_header_value(&list);
        prop_assert_eq!(parse([written.as_bytes()]).unwrap(), list);
    }
}
