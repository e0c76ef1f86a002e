//! tungstenite as a client of an echo server: the same cases as in `../node` and `../python`.
//!
//! ```text
//! tidewire-interop ws://127.0.0.1:9001
//! ```
#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

type Socket = WebSocket<TcpStream>;
type Verdict = Result<(), String>;
type Case = (&'static str, fn(&str) -> Verdict);

/// Long enough for a slow machine; an answer that does not come must not hang the run.
const ANSWER: Duration = Duration::from_secs(60);

const CASES: &[Case] = &[
    ("text", text),
    ("binary at each border of the length encoding", binary),
    ("text and binary of 1 MiB", large),
    ("fragments, a ping between them, cut inside a code point", fragments),
    ("ping is answered with its payload", ping),
    ("close codes and reasons come back", close_codes),
    ("a close without a code", close_without_code),
    ("ten thousand messages stay in order", many),
    ("invalid UTF-8 is answered with 1007", invalid_utf8),
    ("a reserved opcode is answered with 1002", reserved_opcode),
];

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: tidewire-interop ws://ADDRESS:PORT");
        return ExitCode::from(2);
    };
    let mut failed = 0;
    for (name, case) in CASES {
        match case(&url) {
            Ok(()) => say(&format!("ok      tungstenite client: {name}")),
            Err(why) => {
                failed += 1;
                say(&format!("FAILED  tungstenite client: {name}: {why}"));
            }
        }
    }
    say(&format!("{} passed, {failed} failed", CASES.len() - failed));
    ExitCode::from(u8::from(failed > 0))
}

#[expect(clippy::print_stdout, reason = "the verdict is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}

fn text(url: &str) -> Verdict {
    let mut socket = open(url)?;
    for text in ["hello", "", UNICODE] {
        echoes(&mut socket, &Message::text(text))?;
    }
    close(socket, Some((1000, "")), 1000)
}

fn binary(url: &str) -> Verdict {
    let mut socket = open(url)?;
    for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
        echoes(&mut socket, &Message::binary(pattern(length)))?;
    }
    close(socket, Some((1000, "")), 1000)
}

fn large(url: &str) -> Verdict {
    let mut socket = open(url)?;
    echoes(&mut socket, &Message::binary(pattern(1 << 20)))?;
    echoes(&mut socket, &Message::text("ää水🌊".repeat(1 << 17)))?;
    close(socket, Some((1000, "")), 1000)
}

fn fragments(url: &str) -> Verdict {
    let mut socket = open(url)?;
    let bytes = UNICODE.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        let opcode = if i == 0 { Data::Text } else { Data::Continue };
        send_frame(&mut socket, &[*byte], OpCode::Data(opcode), i + 1 == bytes.len())?;
        if i == 1 {
            socket.send(Message::Ping("between".into())).map_err(told)?;
        }
    }
    same(&socket.read().map_err(told)?, &Message::Pong("between".into()))?;
    same(&socket.read().map_err(told)?, &Message::text(UNICODE))?;
    close(socket, Some((1000, "")), 1000)
}

fn ping(url: &str) -> Verdict {
    let mut socket = open(url)?;
    for length in [0, 1, 125] {
        socket.send(Message::Ping(pattern(length).into())).map_err(told)?;
        same(&socket.read().map_err(told)?, &Message::Pong(pattern(length).into()))?;
    }
    close(socket, Some((1000, "")), 1000)
}

fn close_codes(url: &str) -> Verdict {
    for (code, reason) in [(1000, "bye"), (1001, "going"), (3000, ""), (4999, "tschüß 🌊")] {
        let mut socket = open(url)?;
        echoes(&mut socket, &Message::text("x"))?;
        close(socket, Some((code, reason)), code)?;
    }
    Ok(())
}

fn close_without_code(url: &str) -> Verdict {
    // RFC 6455 §7.1.5: no status code in the Close frame is told as 1005.
    close(open(url)?, None, 1005)
}

fn many(url: &str) -> Verdict {
    let mut socket = open(url)?;
    let mut reader = WebSocket::from_raw_socket(
        socket.get_ref().try_clone().map_err(told)?,
        tungstenite::protocol::Role::Client,
        None,
    );
    let reading = thread::spawn(move || -> Verdict {
        for i in 0..10_000 {
            same(&reader.read().map_err(told)?, &Message::text(format!("message {i}")))?;
        }
        Ok(())
    });
    for i in 0..10_000 {
        socket.write(Message::text(format!("message {i}"))).map_err(told)?;
    }
    socket.flush().map_err(told)?;
    reading.join().map_err(|_| "the reader panicked".to_owned())??;
    close(socket, Some((1000, "")), 1000)
}

fn invalid_utf8(url: &str) -> Verdict {
    let mut socket = open(url)?;
    send_frame(&mut socket, &[0xCE, 0xBA, 0xFF], OpCode::Data(Data::Text), true)?;
    closed_with(&mut socket, 1007)
}

fn reserved_opcode(url: &str) -> Verdict {
    let mut socket = open(url)?;
    send_frame(&mut socket, &[], OpCode::Data(Data::Reserved(3)), true)?;
    closed_with(&mut socket, 1002)
}

// Each length of UTF-8, the borders of its ranges, a NUL, and joined emoji.
const UNICODE: &str =
    "κόσμε \0 \x7f\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff} 👩‍👩‍👧 水🌊";

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8)).to_le_bytes()[0]).collect()
}

fn open(url: &str) -> Result<Socket, String> {
    let address = url.strip_prefix("ws://").ok_or("not a ws:// URL")?.trim_end_matches('/');
    let stream = TcpStream::connect(address).map_err(told)?;
    stream.set_read_timeout(Some(ANSWER)).map_err(told)?;
    stream.set_write_timeout(Some(ANSWER)).map_err(told)?;
    let (socket, _) = tungstenite::client(url, stream).map_err(told)?;
    Ok(socket)
}

fn echoes(socket: &mut Socket, message: &Message) -> Verdict {
    socket.send(message.clone()).map_err(told)?;
    same(&socket.read().map_err(told)?, message)
}

fn send_frame(socket: &mut Socket, payload: &[u8], opcode: OpCode, fin: bool) -> Verdict {
    let frame = Frame::message(payload.to_vec(), opcode, fin);
    socket.send(Message::Frame(frame)).map_err(told)
}

/// Closes with `frame`; the answer must be `code`, and the end must be clean.
fn close(mut socket: Socket, frame: Option<(u16, &str)>, code: u16) -> Verdict {
    let frame = frame
        .map(|(code, reason)| CloseFrame { code: CloseCode::from(code), reason: reason.into() });
    socket.close(frame).map_err(told)?;
    closed_with(&mut socket, code)
}

fn closed_with(socket: &mut Socket, code: u16) -> Verdict {
    let answer = match socket.read() {
        Ok(Message::Close(frame)) => frame.map_or(1005, |frame| frame.code.into()),
        other => return Err(format!("{other:?} in place of a Close")),
    };
    same(&answer, &code)?;
    match socket.read() {
        Err(Error::ConnectionClosed) => Ok(()),
        other => Err(format!("{other:?} after the Close")),
    }
}

fn same<T: PartialEq + Debug>(got: &T, wanted: &T) -> Verdict {
    if got == wanted {
        return Ok(());
    }
    let short = |value: &T| format!("{value:?}").chars().take(80).collect::<String>();
    Err(format!("{} came back as {}", short(wanted), short(got)))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
