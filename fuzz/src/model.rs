//! What a receiver without extensions makes of a byte string: RFC 6455 once more, over all bytes at
//! once, so that no cut, buffer or state is left to be wrong.

use tidewire_proto::{Limits, Role};

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A whole message, assembled.
    Message {
        /// Whether it is text.
        text: bool,
        /// The content.
        payload: Vec<u8>,
    },
    /// A Ping with its payload.
    Ping(Vec<u8>),
    /// A Pong with its payload.
    Pong(Vec<u8>),
    /// The connection was failed with this code. The last.
    Failed(u16),
    /// A Close frame with its code, if any, and its reason. The last.
    Closed(Option<u16>, String),
}

struct Message {
    text: bool,
    payload: Vec<u8>,
    announced: u64,
    fragments: u32,
}

/// Receives `bytes` at one moment. `bounds_messages` is whether `message_len_max` holds.
pub fn receive(
    role: Role,
    limits: &Limits,
    bounds_messages: bool,
    mut bytes: &[u8],
) -> Vec<Happening> {
    let mut happenings = Vec::new();
    let mut message: Option<Message> = None;
    let mut controls = 0;
    loop {
        match frame(role, limits, bounds_messages, &mut message, &mut controls, &mut bytes) {
            Ok(None) => return happenings,
            Ok(Some(Done::Frame)) => {}
            Ok(Some(Done::Happening(happening))) => {
                let is_last = matches!(happening, Happening::Closed(..));
                happenings.push(happening);
                if is_last {
                    return happenings;
                }
            }
            Err(code) => {
                happenings.push(Happening::Failed(code));
                return happenings;
            }
        }
    }
}

enum Done {
    Frame,
    Happening(Happening),
}

/// One frame off the front; `None` where it is cut, the code where it is refused.
fn frame(
    role: Role,
    limits: &Limits,
    bounds_messages: bool,
    under_way: &mut Option<Message>,
    controls: &mut u32,
    bytes: &mut &[u8],
) -> Result<Option<Done>, u16> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (fin, opcode) = (first >= 128, first % 16);
    let is_control = opcode >= 8;
    refuse_if(!matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10) || is_control && !fin, 1002)?;
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let (masked, short) = (second >= 128, second % 128);
    refuse_if(is_control && short > 125, 1002)?;
    let len_len = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(len_bytes) = bytes.get(2..2 + len_len) else { return Ok(None) };
    let len = match len_len {
        0 => u64::from(short),
        _ => len_bytes.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
    };
    let shortest = [0, 126, 65_536][len_len.count_ones() as usize + len_len / 8];
    refuse_if(len >> 63 != 0 || len < shortest, 1002)?;
    let payload_at = 2 + len_len + if masked { 4 } else { 0 };
    let Some(header) = bytes.get(..payload_at) else { return Ok(None) };
    // The header is whole.
    refuse_if(masked != (role == Role::Server) || first & 0x70 != 0, 1002)?;
    let key = match header.get(2 + len_len..) {
        Some(&[a, b, c, d]) => [a, b, c, d],
        _ => [0; 4],
    };
    if is_control {
        refuse_if(*controls >= limits.control_frames_per_second_max, 1008)?;
        *controls += 1;
    } else {
        refuse_if((opcode == 0) != under_way.is_some(), 1002)?;
        let (announced, fragments) =
            under_way.as_ref().map_or((0, 0), |message| (message.announced, message.fragments));
        refuse_if(len > limits.frame_len_max, 1009)?;
        refuse_if(fragments >= limits.fragment_count_max, 1008)?;
        let message_len = announced.saturating_add(len);
        refuse_if(bounds_messages && message_len > limits.message_len_max, 1009)?;
        let message = under_way.get_or_insert_with(|| Message {
            text: opcode == 1,
            payload: Vec::new(),
            announced: 0,
            fragments: 0,
        });
        message.announced = message_len;
        message.fragments += 1;
    }

    let rest = &bytes[payload_at..];
    let here = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
    let payload: Vec<u8> = (0..here).map(|i| rest[i] ^ key[i % 4]).collect();
    let is_whole = here as u64 == len;
    *bytes = &rest[here..];
    if is_control {
        return if is_whole { control(opcode, payload).map(Some) } else { Ok(None) };
    }
    let Some(message) = under_way else { unreachable!("it was put there above") };
    message.payload.extend(payload);
    if message.text
        && let Err(error) = std::str::from_utf8(&message.payload)
    {
        // §8.1, as early as can be: a code point may still be cut.
        refuse_if(error.error_len().is_some() || is_whole && fin, 1007)?;
    }
    if !is_whole {
        return Ok(None);
    }
    if !fin {
        return Ok(Some(Done::Frame));
    }
    let done = under_way.take();
    Ok(done
        .map(|Message { text, payload, .. }| Done::Happening(Happening::Message { text, payload })))
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Done, u16> {
    Ok(Done::Happening(match opcode {
        9 => Happening::Ping(payload),
        10 => Happening::Pong(payload),
        _ => {
            let (code, reason) = close_body(&payload)?;
            Happening::Closed(code, reason)
        }
    }))
}

/// The code and the reason of a Close frame's body, or the code that refuses it.
pub fn close_body(body: &[u8]) -> Result<(Option<u16>, String), u16> {
    let [high, low, reason @ ..] = body else {
        refuse_if(!body.is_empty(), 1002)?;
        return Ok((None, String::new()));
    };
    let code = u16::from_be_bytes([*high, *low]);
    // §7.4.1, §7.4.2 and the IANA registry.
    let is_defined = (1000..=1003).contains(&code) || (1007..=1014).contains(&code);
    refuse_if(!is_defined && !(3000..=4999).contains(&code), 1002)?;
    let reason = std::str::from_utf8(reason).map_err(|_| 1007_u16)?;
    Ok((Some(code), reason.to_owned()))
}

fn refuse_if(wrong: bool, code: u16) -> Result<(), u16> {
    if wrong { Err(code) } else { Ok(()) }
}
