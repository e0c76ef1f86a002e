//! Settings of a connection, made of a few bytes.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tidewire_proto::{Config, DeflateConfig, DeflateParams, Limits, Role, extension};

/// Limits that are easily reached, or the defaults.
pub fn limits(u: &mut Unstructured<'_>) -> Result<Limits> {
    let mut limits = Limits::default();
    if u.ratio(1, 2)? {
        limits.message_len_max = *u.choose(&[0, 1, 100, 5_000, 100_000])?;
        limits.frame_len_max = *u.choose(&[u64::MAX, 0, 99, 70_000])?;
        limits.fragment_count_max = *u.choose(&[4096, 1, 2, 5])?;
        limits.control_frames_per_second_max = *u.choose(&[10_000, 0, 3, 20])?;
    }
    Ok(limits)
}

/// A whole configuration.
pub fn config(u: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::default();
    config.limits = limits(u)?;
    config.fragment_len_max =
        *u.choose(&[None, None, Some(0), Some(1), Some(100), Some(70_000)])?;
    let second = Duration::from_secs(1);
    if u.ratio(1, 2)? {
        config.timeouts.message = *u.choose(&[None, Some(second)])?;
        config.timeouts.write_stall = *u.choose(&[None, Some(second), Some(Duration::MAX)])?;
        config.timeouts.ping_after = *u.choose(&[None, Some(second), Some(Duration::MAX)])?;
        config.timeouts.pong_within = *u.choose(&[second, Duration::MAX])?;
        config.timeouts.close = *u.choose(&[second, Duration::MAX])?;
    }
    Ok(config)
}

/// What one end would agree to, with values beyond their range as well.
pub fn deflate_config(u: &mut Unstructured<'_>) -> Result<DeflateConfig> {
    let mut config = DeflateConfig::balanced();
    config.level = u.int_in_range(0..=10)?;
    config.threshold = *u.choose(&[0, 1, 64, u16::MAX])?;
    config.server_window_bits = u.int_in_range(7..=16)?;
    config.client_window_bits = u.int_in_range(7..=16)?;
    let [server, client] = u.arbitrary()?;
    config.server_no_context_takeover = server;
    config.client_no_context_takeover = client;
    Ok(config)
}

/// Negotiates as two endpoints do, over the text of the headers; what the client and the server
/// then believe.
pub fn negotiate(client: &DeflateConfig, server: &DeflateConfig) -> (DeflateParams, DeflateParams) {
    let offers = extension::to_header_value(&client.offers());
    let offers = extension::parse([offers.as_bytes()]).expect("our own offers");
    let (at_server, answer) = server.negotiate(&offers).expect("offers of ours can be accepted");
    let answer = extension::to_header_value([&answer]);
    let answer = extension::parse([answer.as_bytes()]).expect("our own answer");
    let at_client = client.verify(&answer).expect("an answer of ours").expect("it was accepted");
    (at_client, at_server)
}

/// One of the two.
pub fn role(u: &mut Unstructured<'_>) -> Result<Role> {
    Ok(if u.arbitrary()? { Role::Client } else { Role::Server })
}

/// At most `len_max` bytes.
pub fn few(u: &mut Unstructured<'_>, len_max: u8) -> Result<Vec<u8>> {
    let len = usize::from(u.int_in_range(0..=len_max)?).min(u.len());
    Ok(u.bytes(len)?.to_vec())
}

/// Binary content of a length that tells apart how lengths are encoded, buffered and compressed.
pub fn payload(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    // Large ones cost the time of a hundred small ones, so they are rare.
    match u.int_in_range(0..=31)? {
        0..=3 => Ok(Vec::new()),
        4..=23 => few(u, 255),
        24..=26 => {
            let len = *u.choose(&[125, 126, 127, 4096, 4097])?;
            Ok(pattern(u.arbitrary()?, len))
        }
        27..=29 => Ok(pattern(u.arbitrary()?, u.int_in_range(0..=3000)?)),
        30 => {
            let len = *u.choose(&[65_535, 65_536, 70_000])?;
            Ok(pattern(u.arbitrary()?, len))
        }
        _ => Ok(pattern(u.arbitrary()?, u.int_in_range(0..=120_000)?)),
    }
}

/// Text, likewise.
pub fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let payload = payload(u)?;
    Ok(match String::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => error.into_bytes().iter().map(|byte| char::from(*byte)).collect(),
    })
}

/// `len` bytes: a run, noise, or words that come again.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) | 1 << 8;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state ^ state >> 29).to_le_bytes()
    };
    let mut bytes = match seed % 4 {
        0 => vec![seed; len],
        1 => (0..len.div_ceil(8)).flat_map(|_| noise()).collect(),
        _ => {
            let word: Vec<u8> = (0..=usize::from(seed)).map(|_| b'a' + noise()[5] % 26).collect();
            word.repeat(len.div_ceil(word.len()))
        }
    };
    bytes.truncate(len);
    bytes
}
