//! Target: two endpoints talk, compressed or not, over a network that cuts as it likes. What one
//! sends the other receives, in order and once, and in the end both have closed cleanly.

use std::{collections::VecDeque, time::Duration};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use tidewire_proto::{CloseCode, CloseFrame, Kind, Outgoing, Prepared, Role, Timestamp, Transport};

use crate::{
    driver::{self, Endpoint, Seen},
    settings,
};

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

/// One end, and what is on its way from it.
#[derive(Debug)]
struct End {
    endpoint: Endpoint,
    wire: VecDeque<u8>,
    /// What the other end must still report.
    sent: VecDeque<Seen>,
    /// The fragmented message under way.
    fragments: Option<(Kind, Vec<u8>)>,
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut params = (None, None);
    if u.ratio(3, 4)? {
        let (client, server) = (settings::deflate_config(u)?, settings::deflate_config(u)?);
        let (at_client, at_server) = settings::negotiate(&client, &server);
        params = (Some(at_client), Some(at_server));
    }
    let mut config = tidewire_proto::Config::default();
    config.limits.message_len_max = 1 << 30;
    config.limits.fragment_count_max = u32::MAX;
    config.limits.control_frames_per_second_max = u32::MAX;
    config.timeouts.write_stall = None;
    config.timeouts.pong_within = Duration::MAX;
    config.fragment_len_max = *u.choose(&[None, None, Some(100), Some(70_000)])?;
    let end = |role, params| End {
        endpoint: Endpoint::new(role, config.clone(), params),
        wire: VecDeque::new(),
        sent: VecDeque::new(),
        fragments: None,
    };
    let mut ends = [end(Role::Client, params.0), end(Role::Server, params.1)];

    for _ in 0..64 {
        if u.is_empty() {
            break;
        }
        let at = usize::from(u.arbitrary::<bool>()?);
        step(u, &mut ends, at)?;
    }
    let at = usize::from(u.arbitrary().unwrap_or(false));
    close(&mut ends, at);
    Ok(())
}

fn step(u: &mut Unstructured<'_>, ends: &mut [End; 2], at: usize) -> Result<()> {
    match u.int_in_range(0..=9)? {
        0..=3 => ends[at].send(u)?,
        4 => ends[at].send_fragment(u)?,
        5 => {
            let payload = settings::few(u, 125)?;
            let End { endpoint, .. } = &mut ends[at];
            endpoint.conn.ping(&mut endpoint.cx, &payload).expect("it is open");
        }
        6 => {
            // As when a connection moves to another thread: what that thread keeps is not ours.
            let endpoint = &mut ends[at].endpoint;
            let now = endpoint.cx.now;
            endpoint.cx = driver::context();
            endpoint.cx.now = now;
            endpoint.cx.codecs.set_live_len_max(*u.choose(&[0, 300 << 10, 16 << 20])?);
        }
        7 => {
            let later = Duration::from_millis(u.arbitrary::<u16>()?.into());
            for End { endpoint, .. } in ends {
                endpoint.cx.now = endpoint.cx.now.saturating_add(later);
                endpoint.timeouts();
            }
        }
        8 => {
            let len = 1 + usize::from(u.arbitrary::<u16>()?);
            let written = ends[at].endpoint.write(len);
            ends[at].wire.extend(written);
        }
        _ => {
            let len = usize::from(u.arbitrary::<u16>()?) * 4;
            carry(ends, at, len);
        }
    }
    Ok(())
}

/// Takes up to `len` bytes from `at` to the other end, as one read.
fn carry(ends: &mut [End; 2], at: usize, len: usize) {
    let len = len.min(ends[at].wire.len());
    let bytes: Vec<u8> = ends[at].wire.drain(..len).collect();
    ends[1 - at].endpoint.read(&bytes);
    let seen = std::mem::take(&mut ends[1 - at].endpoint.seen);
    for event in seen {
        match event {
            Seen::Ping(_) | Seen::Pong(_) | Seen::Closed(_) => {}
            event => {
                let expected = ends[at].sent.pop_front();
                // Not assert_eq: a message is up to 200 KB.
                assert!(Some(&event) == expected.as_ref(), "something else was received");
            }
        }
    }
}

fn settle(ends: &mut [End; 2]) {
    let mut quiet = 0;
    while quiet < 2 {
        for at in [0, 1] {
            let written = ends[at].endpoint.write_all();
            ends[at].wire.extend(written);
            quiet = if ends[at].wire.is_empty() { quiet + 1 } else { 0 };
            carry(ends, at, usize::MAX);
        }
    }
}

fn close(ends: &mut [End; 2], at: usize) {
    settle(ends);
    for End { endpoint, .. } in &mut *ends {
        endpoint.seen.clear();
    }
    assert!(ends.iter().all(|end| end.sent.is_empty()), "not received");
    let frame = CloseFrame::new(CloseCode::NORMAL_CLOSURE, "bye").expect("a lawful frame");
    let End { endpoint, .. } = &mut ends[at];
    endpoint.conn.close(&mut endpoint.cx, frame).expect("it is open");
    settle(ends);
    assert_eq!(ends[1].endpoint.conn.transport(), Transport::EndSending);
    for End { endpoint, .. } in ends {
        endpoint.eof();
        let Some(Seen::Closed(outcome)) = endpoint.seen.last() else {
            panic!("no end: {:?}", endpoint.seen);
        };
        assert!(outcome.was_clean() && outcome.code() == CloseCode::NORMAL_CLOSURE);
        assert!(endpoint.conn.poll_timeout().is_none_or(|at| at > Timestamp::ZERO));
    }
}

impl End {
    fn send(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if self.fragments.is_some() {
            return Ok(());
        }
        let Endpoint { conn, cx, .. } = &mut self.endpoint;
        let (message, sent) = if u.arbitrary()? {
            let text = settings::text(u)?;
            (Outgoing::from(text.clone()), Seen::Text(text))
        } else {
            let payload = settings::payload(u)?;
            (Outgoing::from(Bytes::from(payload.clone())), Seen::Binary(payload))
        };
        let message = match u.int_in_range(0..=4)? {
            0 => message.uncompressed(),
            1 => Prepared::new(message).into(),
            2 => Prepared::new(message).compressed().into(),
            _ => message,
        };
        conn.send(cx, message).expect("it is open and nothing is under way");
        self.sent.push_back(sent);
        Ok(())
    }

    fn send_fragment(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Endpoint { conn, cx, .. } = &mut self.endpoint;
        let (kind, mut all) = match self.fragments.take() {
            Some(under_way) => under_way,
            None => (if u.arbitrary()? { Kind::Text } else { Kind::Binary }, Vec::new()),
        };
        let payload = match kind {
            Kind::Text => settings::text(u)?.into_bytes(),
            Kind::Binary => settings::payload(u)?,
        };
        let last = u.arbitrary()?;
        conn.send_fragment(cx, kind, &payload, last).expect("it is open");
        all.extend(payload);
        if !last {
            self.fragments = Some((kind, all));
            return Ok(());
        }
        self.sent.push_back(match kind {
            Kind::Text => Seen::Text(String::from_utf8(all).expect("made of texts")),
            Kind::Binary => Seen::Binary(all),
        });
        Ok(())
    }
}
