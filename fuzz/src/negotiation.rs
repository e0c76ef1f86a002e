//! Target: extension headers from both ends, and the parameters of permessage-deflate.

use arbitrary::{Result, Unstructured};
use tidewire_proto::{
    DeflateConfig, DeflateParams,
    extension::{self, Extension},
};

use crate::settings;

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let ours = settings::deflate_config(u)?;
    let theirs = settings::deflate_config(u)?;
    both_ends(&theirs, &ours);

    let text = if u.ratio(1, 2)? { header(u)? } else { u.bytes(u.len())?.to_vec() };
    let lines = text.split(|byte| *byte == b'\n');
    let Ok(list) = extension::parse(lines) else { return Ok(()) };
    assert!(list.len() <= extension::EXTENSION_COUNT_MAX);
    let written = extension::to_header_value(&list);
    assert_eq!(extension::parse([written.as_bytes()]).as_ref(), Ok(&list), "{written}");
    as_server(&ours, &list);
    as_client(&ours, &list);
    Ok(())
}

/// Whatever both are configured to, they agree, and neither sends what the other cannot inflate.
fn both_ends(client: &DeflateConfig, server: &DeflateConfig) {
    let (at_client, at_server) = settings::negotiate(client, server);
    let directions = [
        ("client", at_client.client(), at_server.client()),
        ("server", at_server.server(), at_client.server()),
    ];
    for (sender, sends, receives) in directions {
        assert!((8..=15).contains(&sends.window_bits()), "{sender}");
        assert!((8..=15).contains(&receives.window_bits()), "{sender}");
        assert!(sends.window_bits() <= receives.window_bits(), "{sender}");
        // Who forgets what was received must not be sent references to it.
        assert!(sends.no_context_takeover() >= receives.no_context_takeover(), "{sender}");
    }
    // What each end asks of itself, it does.
    let clamped = |bits: u8| bits.clamp(8, 15);
    assert!(at_client.client().window_bits() <= clamped(client.client_window_bits));
    assert!(at_server.server().window_bits() <= clamped(server.server_window_bits));
    assert!(at_client.client().no_context_takeover() >= client.client_no_context_takeover);
    assert!(at_server.server().no_context_takeover() >= server.server_no_context_takeover);
}

/// One element of the header by the words of RFC 7692 §7.1; `None` where it is invalid.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "absent, without a value, or with one")]
struct Read {
    server_forgets: bool,
    client_forgets: bool,
    server_bits: Option<u8>,
    client_bits: Option<Option<u8>>,
}

fn read(element: &Extension<'_>) -> Option<Read> {
    let mut read = Read::default();
    let mut names: Vec<&str> = element.params().iter().map(extension::Param::name).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != element.params().len() {
        return None;
    }
    let bits = |value: &str| {
        let bits: u8 = value.parse().ok()?;
        ((8..=15).contains(&bits) && value == bits.to_string()).then_some(bits)
    };
    for param in element.params() {
        match (param.name(), param.value()) {
            ("server_no_context_takeover", None) => read.server_forgets = true,
            ("client_no_context_takeover", None) => read.client_forgets = true,
            ("server_max_window_bits", Some(value)) => read.server_bits = Some(bits(value)?),
            ("client_max_window_bits", None) => read.client_bits = Some(None),
            ("client_max_window_bits", Some(value)) => read.client_bits = Some(Some(bits(value)?)),
            _ => return None,
        }
    }
    Some(read)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as filter() wants it")]
fn is_deflate(element: &&Extension<'_>) -> bool {
    element.name() == "permessage-deflate"
}

/// The first valid offer is accepted, and the answer says no more than it may.
fn as_server(ours: &DeflateConfig, offers: &[Extension<'_>]) {
    let offer = offers.iter().filter(is_deflate).find_map(read);
    let Some((params, answer)) = ours.negotiate(offers) else {
        assert_eq!(offer, None, "a valid offer was declined");
        return;
    };
    let offer = offer.expect("an invalid offer was accepted");
    let answer = read(&answer).expect("our answer is valid");
    // §7.1.1.1: accepted by being answered.
    assert!(answer.server_forgets >= offer.server_forgets);
    // §7.1.2.1: the same or less.
    if let Some(offered) = offer.server_bits {
        assert!(answer.server_bits.is_some_and(|answered| answered <= offered));
    }
    // §7.1.2.2: only if offered, with a value, and not above the offer's.
    assert_ne!(answer.client_bits, Some(None));
    match (offer.client_bits, answer.client_bits.flatten()) {
        (None, answered) => assert_eq!(answered, None),
        (Some(Some(offered)), Some(answered)) => assert!(answered <= offered),
        _ => {}
    }
    check(params, answer, ours, false);
    // §7.1.1.2: the client may keep its hint to itself, but what it offers it does.
    assert!(params.client().no_context_takeover() >= offer.client_forgets);
}

/// An answer that we take is one to an offer of ours.
fn as_client(ours: &DeflateConfig, answers: &[Extension<'_>]) {
    let ours_offered: Vec<Read> = ours.offers().iter().filter_map(read).collect();
    let mut found = answers.iter().filter(is_deflate);
    let (first, second) = (found.next(), found.next());
    match (ours.verify(answers), first.map(read)) {
        (Ok(None), None) => {}
        (Ok(Some(params)), Some(Some(answer))) => {
            assert_eq!(second, None, "§5: accepted twice");
            assert_ne!(answer.client_bits, Some(None), "§7.1.2.2: no value");
            let admits = |offer: &Read| {
                answer.server_forgets >= offer.server_forgets
                    && offer.server_bits.is_none_or(|bits| answer.server_bits <= Some(bits))
                    && (offer.server_bits.is_none() || answer.server_bits.is_some())
                    && (answer.client_bits.is_none() || offer.client_bits.is_some())
            };
            assert!(ours_offered.iter().any(admits), "answers none of our offers");
            check(params, answer, ours, true);
        }
        (Err(_), Some(answer)) => {
            // Refused for a reason: invalid, doubled, or no answer to what we offered.
            let is_plain = answer.is_some_and(|answer| {
                second.is_none()
                    && answer.server_forgets
                    && answer.server_bits == Some(8)
                    && answer.client_bits.is_none_or(|bits| bits.is_some())
            });
            assert!(!is_plain, "the strictest answer is one to any offer");
        }
        (taken, answer) => panic!("{taken:?} of {answer:?}"),
    }
}

/// What is believed after an answer follows from it.
fn check(params: DeflateParams, answer: Read, ours: &DeflateConfig, is_client: bool) {
    let (client, server) = (params.client(), params.server());
    let client_bits = answer.client_bits.flatten().unwrap_or(15);
    let server_bits = answer.server_bits.unwrap_or(15);
    if is_client {
        assert!(client.window_bits() <= client_bits.min(ours.client_window_bits.clamp(8, 15)));
        assert_eq!(server.window_bits(), server_bits);
        assert!(client.no_context_takeover() >= answer.client_forgets);
        assert_eq!(server.no_context_takeover(), answer.server_forgets);
    } else {
        assert_eq!(client.window_bits(), client_bits);
        assert!(server.window_bits() <= server_bits.min(ours.server_window_bits.clamp(8, 15)));
        assert_eq!(client.no_context_takeover(), answer.client_forgets);
        assert!(server.no_context_takeover() >= answer.server_forgets);
    }
}

/// A header that is nearly right.
fn header(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = String::new();
    while !u.is_empty() && text.len() < 4096 {
        text += match u.int_in_range(0..=15)? {
            0..=3 => "permessage-deflate",
            4 => "server_no_context_takeover",
            5 => "client_no_context_takeover",
            6 => "server_max_window_bits",
            7 => "client_max_window_bits",
            8 | 9 => "; ",
            10 => "=",
            11 => *u.choose(&["8", "15", "12", "7", "16", "010", "\"10\"", "\"1\\5\"", ""])?,
            12 => ", ",
            13 => "\n",
            14 => "x-unknown",
            _ => *u.choose(&["\"", "\\", "\t", ",", ";", "\u{e4}"])?,
        };
    }
    Ok(text.into_bytes())
}
