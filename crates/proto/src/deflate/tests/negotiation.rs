//! Offers and answers by section (RFC 7692 §5, §7.1).

use alloc::string::{String, ToString};

use proptest::prelude::*;

use crate::{
    deflate::{DeflateConfig, NegotiationError},
    extension::{parse, to_header_value},
};

/// Windows of 32 KiB: nothing to say about them.
fn plain() -> DeflateConfig {
    DeflateConfig { server_window_bits: 15, client_window_bits: 15, ..DeflateConfig::balanced() }
}

/// The answer, and what is in force, in the words of the header.
fn negotiate(config: &DeflateConfig, offers: &str) -> Option<(String, String)> {
    let offers = parse([offers.as_bytes()]).unwrap();
    let (params, answer) = config.negotiate(&offers)?;
    assert_eq!(params.level(), config.level);
    Some((answer.to_string(), params.to_string()))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn d1_d3_d4_accepted_offers() {
    let balanced = DeflateConfig::balanced();
    let small = DeflateConfig::small_memory();
    let both = "server_no_context_takeover; client_no_context_takeover";
    // what, config, offers, answer, in force where it differs from the answer
    let cases: &[(&str, &DeflateConfig, &str, &str, Option<&str>)] = &[
        ("D1 plain", &plain(), "permessage-deflate", "", None),
        (
            "D1 small windows are not told",
            &balanced,
            "permessage-deflate",
            "",
            Some("server_max_window_bits=12"),
        ),
        ("§7.1.2.2 any", &plain(), "permessage-deflate; client_max_window_bits", "", None),
        (
            "§7.1.2.2 limited by us",
            &balanced,
            "permessage-deflate; client_max_window_bits",
            "client_max_window_bits=12",
            Some("server_max_window_bits=12; client_max_window_bits=12"),
        ),
        (
            "§7.1.2.2 limited by the client",
            &plain(),
            "permessage-deflate; client_max_window_bits=9",
            "client_max_window_bits=9",
            None,
        ),
        (
            "§7.1.2.2 quoted",
            &plain(),
            "permessage-deflate; client_max_window_bits=\"10\"",
            "client_max_window_bits=10",
            None,
        ),
        (
            "D4 8",
            &plain(),
            "permessage-deflate; server_max_window_bits=8",
            "server_max_window_bits=8",
            None,
        ),
        (
            "D4 quoted",
            &plain(),
            "permessage-deflate; server_max_window_bits=\"9\"",
            "server_max_window_bits=9",
            None,
        ),
        (
            "D4 15",
            &plain(),
            "permessage-deflate; server_max_window_bits=15",
            "server_max_window_bits=15",
            Some(""),
        ),
        (
            "D4 smaller than offered",
            &balanced,
            "permessage-deflate; server_max_window_bits=14",
            "server_max_window_bits=12",
            None,
        ),
        (
            "D4 smaller than ours",
            &balanced,
            "permessage-deflate; server_max_window_bits=10",
            "server_max_window_bits=10",
            None,
        ),
        (
            "§7.1.1.1",
            &plain(),
            "permessage-deflate; server_no_context_takeover",
            "server_no_context_takeover",
            None,
        ),
        (
            "§7.1.1.2",
            &plain(),
            "permessage-deflate; client_no_context_takeover",
            "client_no_context_takeover",
            None,
        ),
        (
            "§7.1.1 uninvited",
            &small,
            "permessage-deflate",
            both,
            Some(
                "server_no_context_takeover; server_max_window_bits=12; client_no_context_takeover",
            ),
        ),
        (
            "all four, any order",
            &plain(),
            "permessage-deflate; client_max_window_bits=11; client_no_context_takeover; server_max_window_bits=10; server_no_context_takeover",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
            Some(
                "server_no_context_takeover; server_max_window_bits=10; client_no_context_takeover; client_max_window_bits=11",
            ),
        ),
        (
            "D3 unknown extensions",
            &plain(),
            "foo; a=1, x-webkit-deflate-frame, permessage-deflate",
            "",
            None,
        ),
        (
            "D3 first in order",
            &plain(),
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "server_max_window_bits=10",
            None,
        ),
        (
            "D3 fallback",
            &plain(),
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_no_context_takeover",
            "server_no_context_takeover",
            None,
        ),
        (
            "D3 fallback behind an unknown parameter",
            &plain(),
            "permessage-deflate; foo=1, bar, permessage-deflate",
            "",
            None,
        ),
    ];
    for (rule, config, offers, answer, in_force) in cases {
        let named = |params: &str| match params {
            "" => "permessage-deflate".to_string(),
            params => ["permessage-deflate; ", params].concat(),
        };
        let expected = (named(answer), named(in_force.unwrap_or(answer)));
        assert_eq!(negotiate(config, offers), Some(expected), "{rule}");
    }
}

/// D2: declined by a server, which then answers without the extension; fatal in an answer.
#[test]
fn d2_c4_invalid_parameters() {
    use NegotiationError as E;
    let server_bits = E::InvalidValue { param: "server_max_window_bits" };
    let client_bits = E::InvalidValue { param: "client_max_window_bits" };
    let cases: &[(&str, &str, E)] = &[
        ("no value", "server_max_window_bits", server_bits),
        ("empty", "server_max_window_bits=", server_bits),
        ("empty, quoted", "server_max_window_bits=\"\"", server_bits),
        ("7", "server_max_window_bits=7", server_bits),
        ("16", "server_max_window_bits=16", server_bits),
        ("0", "server_max_window_bits=0", server_bits),
        ("leading zero", "server_max_window_bits=010", server_bits),
        ("leading zero", "server_max_window_bits=08", server_bits),
        ("sign", "server_max_window_bits=+8", server_bits),
        ("sign", "server_max_window_bits=-8", server_bits),
        ("hex", "server_max_window_bits=0x8", server_bits),
        ("256 + 8", "server_max_window_bits=264", server_bits),
        ("long", "server_max_window_bits=99999999999999999999999", server_bits),
        ("7", "client_max_window_bits=7", client_bits),
        ("16", "client_max_window_bits=16", client_bits),
        ("leading zero", "client_max_window_bits=010", client_bits),
        ("empty", "client_max_window_bits=", client_bits),
        (
            "=1",
            "server_no_context_takeover=1",
            E::InvalidValue { param: "server_no_context_takeover" },
        ),
        (
            "=1",
            "client_no_context_takeover=1",
            E::InvalidValue { param: "client_no_context_takeover" },
        ),
        (
            "empty",
            "client_no_context_takeover=\"\"",
            E::InvalidValue { param: "client_no_context_takeover" },
        ),
        ("unknown", "mem_level=8", E::UnknownParam),
        ("odd case", "Server_No_Context_Takeover", E::UnknownParam),
        (
            "doubled",
            "server_no_context_takeover; server_no_context_takeover",
            E::RepeatedParam { param: "server_no_context_takeover" },
        ),
        (
            "doubled",
            "client_no_context_takeover; server_no_context_takeover; client_no_context_takeover",
            E::RepeatedParam { param: "client_no_context_takeover" },
        ),
        (
            "doubled",
            "server_max_window_bits=9; server_max_window_bits=9",
            E::RepeatedParam { param: "server_max_window_bits" },
        ),
        (
            "doubled",
            "client_max_window_bits=9; client_max_window_bits=10",
            E::RepeatedParam { param: "client_max_window_bits" },
        ),
    ];
    for (rule, params, error) in cases {
        let header = ["permessage-deflate; ", params].concat();
        assert_eq!(negotiate(&plain(), &header), None, "{rule}: {params}");
        let answers = parse([header.as_bytes()]).unwrap();
        assert_eq!(plain().verify(&answers), Err(*error), "{rule}: {params}");
        assert!(error.to_string().contains(error.section()));
    }
    assert_eq!(negotiate(&plain(), "permessage-deflate2, x-permessage-deflate"), None);
    assert_eq!(negotiate(&plain(), ""), None);
}

#[test]
fn offers_with_a_fallback() {
    let cases: &[(DeflateConfig, &str)] = &[
        (plain(), "permessage-deflate; client_max_window_bits"),
        (
            DeflateConfig::balanced(),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, \
             permessage-deflate; client_max_window_bits=12",
        ),
        (
            DeflateConfig::small_memory(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=12; client_max_window_bits=12, \
             permessage-deflate; client_no_context_takeover; client_max_window_bits=12",
        ),
        (
            DeflateConfig { server_window_bits: 0, client_window_bits: 99, ..plain() },
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits, \
             permessage-deflate; client_max_window_bits",
        ),
    ];
    for (config, offers) in cases {
        assert_eq!(to_header_value(&config.offers()), *offers);
    }
}

/// What, our configuration, the server's answer, what is then in force.
type AnswerCase<'a> =
    (&'a str, &'a DeflateConfig, &'a str, Result<Option<&'a str>, NegotiationError>);

#[test]
fn c4_answers() {
    use NegotiationError as E;
    let balanced = DeflateConfig::balanced();
    let small = DeflateConfig::small_memory();
    let cases: &[AnswerCase<'_>] = &[
        ("declined", &balanced, "", Ok(None)),
        ("another's", &balanced, "foo; a=1", Ok(None)),
        // What we compress with is ours to limit, told or not.
        ("plain", &balanced, "permessage-deflate", Ok(Some("; client_max_window_bits=12"))),
        ("plain", &plain(), "permessage-deflate", Ok(Some(""))),
        (
            "limits us",
            &plain(),
            "permessage-deflate; client_max_window_bits=8",
            Ok(Some("; client_max_window_bits=8")),
        ),
        (
            "limits us less than we do",
            &balanced,
            "permessage-deflate; client_max_window_bits=15",
            Ok(Some("; client_max_window_bits=12")),
        ),
        (
            "as wished",
            &balanced,
            "permessage-deflate; server_max_window_bits=\"12\"",
            Ok(Some("; server_max_window_bits=12; client_max_window_bits=12")),
        ),
        (
            "less than wished",
            &balanced,
            "permessage-deflate; server_max_window_bits=9",
            Ok(Some("; server_max_window_bits=9; client_max_window_bits=12")),
        ),
        (
            "more than wished: the fallback, and told",
            &balanced,
            "permessage-deflate; server_max_window_bits=15",
            Ok(Some("; client_max_window_bits=12")),
        ),
        (
            "uninvited §7.1.1.1",
            &plain(),
            "permessage-deflate; server_no_context_takeover",
            Ok(Some("; server_no_context_takeover")),
        ),
        (
            "uninvited §7.1.1.2",
            &plain(),
            "permessage-deflate; client_no_context_takeover",
            Ok(Some("; client_no_context_takeover")),
        ),
        (
            "uninvited §7.1.2.1",
            &plain(),
            "permessage-deflate; server_max_window_bits=10",
            Ok(Some("; server_max_window_bits=10")),
        ),
        (
            "our own wish holds",
            &small,
            "permessage-deflate",
            Ok(Some("; client_no_context_takeover; client_max_window_bits=12")),
        ),
        (
            "§7.1.2.2 without value",
            &plain(),
            "permessage-deflate; client_max_window_bits",
            Err(E::InvalidValue { param: "client_max_window_bits" }),
        ),
        ("doubled", &plain(), "permessage-deflate, permessage-deflate", Err(E::AcceptedTwice)),
        (
            "doubled",
            &plain(),
            "permessage-deflate, foo, permessage-deflate; client_max_window_bits=9",
            Err(E::AcceptedTwice),
        ),
    ];
    for (rule, config, answer, expected) in cases {
        let answers = parse([answer.as_bytes()]).unwrap();
        let result = config.verify(&answers).map(|params| params.map(|params| params.to_string()));
        let expected = expected.map(|p| p.map(|p| ["permessage-deflate", p].concat()));
        assert_eq!(result, expected, "{rule}: {answer}");
    }
}

/// An answer to each single offer: what a server must repeat, and what it must not add.
#[test]
fn c4_d4_an_answer_to_an_offer() {
    use crate::deflate::element::Element;
    let cases: &[(&str, &str, &str, bool)] = &[
        ("§7.1.2.2 not offered", "", "; client_max_window_bits=15", false),
        ("§7.1.2.2 offered", "; client_max_window_bits", "; client_max_window_bits=15", true),
        (
            "§7.1.2.2 more than the hint",
            "; client_max_window_bits=9",
            "; client_max_window_bits=15",
            true,
        ),
        ("§7.1.1.1 not repeated", "; server_no_context_takeover", "", false),
        ("§7.1.1.1 repeated", "; server_no_context_takeover", "; server_no_context_takeover", true),
        ("§7.1.1.2 a hint", "; client_no_context_takeover", "", true),
        ("§7.1.2.1 not repeated", "; server_max_window_bits=10", "", false),
        ("§7.1.2.1 larger", "; server_max_window_bits=10", "; server_max_window_bits=11", false),
        ("§7.1.2.1 the same", "; server_max_window_bits=10", "; server_max_window_bits=10", true),
        ("§7.1.2.1 smaller", "; server_max_window_bits=10", "; server_max_window_bits=8", true),
        (
            "uninvited",
            "",
            "; server_max_window_bits=8; server_no_context_takeover; client_no_context_takeover",
            true,
        ),
    ];
    for (rule, offer, answer, admitted) in cases {
        let read = |params: &str| {
            let header = ["permessage-deflate", params].concat();
            Element::read(&parse([header.as_bytes()]).unwrap()[0]).unwrap()
        };
        assert_eq!(read(offer).admits(read(answer)), *admitted, "{rule}");
    }
}

fn any_config() -> impl Strategy<Value = DeflateConfig> {
    (0..=20_u8, 0..=20_u8, any::<[bool; 2]>()).prop_map(|(server, client, [no_s, no_c])| {
        DeflateConfig {
            server_window_bits: server,
            client_window_bits: client,
            server_no_context_takeover: no_s,
            client_no_context_takeover: no_c,
            ..DeflateConfig::balanced()
        }
    })
}

fn any_offer() -> impl Strategy<Value = String> {
    let bits = prop_oneof!["=(7|8|9|1[0-6]|010|\"12\")", Just(String::new())];
    let param = ("(server|client)_(no_context_takeover|max_window_bits)", bits)
        .prop_map(|(name, value)| [name, value].concat());
    prop::collection::vec(param, 0..4)
        .prop_map(|params| ["permessage-deflate"].into_iter().map(String::from).chain(params))
        .prop_map(|parts| parts.collect::<alloc::vec::Vec<_>>().join("; "))
}

proptest! {
    /// Two endpoints of ours always agree, and each is allowed what it does: each sends with no
    /// larger window, and no more takeover, than the other one receives with.
    #[test]
    fn both_endpoints_agree(client in any_config(), server in any_config()) {
        let (at_server, answer) = server.negotiate(&client.offers()).unwrap();
        let at_client = client.verify(&[answer]).unwrap().unwrap();
        for (sender, receiver) in [
            (at_client.client(), at_server.client()),
            (at_server.server(), at_client.server()),
        ] {
            prop_assert!(sender.window_bits() <= receiver.window_bits());
            prop_assert!(sender.no_context_takeover() >= receiver.no_context_takeover());
        }
        prop_assert!(at_server.server().window_bits() <= server.server_window_bits.clamp(8, 15));
        prop_assert!(at_client.client().window_bits() <= client.client_window_bits.clamp(8, 15));
    }

    /// What we answer to anybody's offers is a valid answer to the first valid one.
    #[test]
    fn answers_answer_an_offer(
        offers in prop::collection::vec(any_offer(), 0..4),
        server in any_config(),
    ) {
        use crate::deflate::element::Element;
        let header = offers.join(", ");
        let offers = parse([header.as_bytes()]).unwrap();
        let first = offers.iter().find_map(|offer| Element::read(offer).ok());
        let answer = server.negotiate(&offers).map(|(_, answer)| Element::read(&answer).unwrap());
        match (first, answer) {
            (Some(offer), Some(answer)) => prop_assert!(offer.admits(answer)),
            (first, answer) => prop_assert_eq!(first, answer),
        }
    }
}
