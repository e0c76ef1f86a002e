//! [`Conversation`]: lines out, messages in, until the end.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_sink::Sink as _;
use tidewire::{CloseCode, Error, Message, Outcome, ReadyState, WebSocket};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, interval, sleep_until},
};

use super::{
    input::{self, Order},
    output::Output,
};
use crate::{Failure, args::Connect, signals::Stop};

/// A connection, and the lines for it.
pub(crate) struct Conversation {
    ws: WebSocket,
    lines: mpsc::Receiver<io::Result<String>>,
    json: bool,
    /// Waits for room in the connection's queue; the next line waits for it.
    unsent: Option<Message>,
    line_count: usize,
    input: Input,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// There will be no further line.
    Ended,
}

enum Happening {
    Received(Message),
    Line(Option<io::Result<String>>),
    Sent,
    Ended,
}

impl Conversation {
    pub(crate) const fn new(
        ws: WebSocket,
        lines: mpsc::Receiver<io::Result<String>>,
        json: bool,
    ) -> Self {
        Self { ws, lines, json, unsent: None, line_count: 0, input: Input::Open }
    }

    /// What the Close frames said.
    pub(crate) fn close_info(&self) -> Option<Outcome> {
        self.ws.close_info()
    }

    /// Until the connection has ended.
    pub(crate) async fn run(
        &mut self,
        output: &Output,
        mut signals: Stop,
        connect: &Connect,
    ) -> Result<(), Failure> {
        let wait = Duration::from_secs(connect.wait.unwrap_or(0));
        let mut last = Instant::now();
        let mut ticks = connect.ping.map(|seconds| interval(Duration::from_secs(seconds)));
        let mut latency = None;
        let mut complaint = None;
        loop {
            let over = self.input == Input::Ended && self.ws.ready_state() == ReadyState::Open;
            tokio::select! {
                happening = self.next() => match happening {
                    Ok(Happening::Received(message)) => {
                        last = Instant::now();
                        output.message(&message)?;
                    }
                    Ok(Happening::Line(None)) => {
                        self.input = Input::Ended;
                        last = Instant::now();
                    }
                    Ok(Happening::Line(Some(line))) => if let Err(why) = self.obey(line) {
                        self.close(CloseCode::NORMAL_CLOSURE, "");
                        complaint = Some(why);
                    },
                    Ok(Happening::Sent) => {}
                    Ok(Happening::Ended) => return complaint.map_or(Ok(()), Err),
                    Err(error) => return Err(complaint.unwrap_or_else(|| error.to_string())),
                },
                () = signals.wait() => {
                    if self.ws.ready_state() != ReadyState::Open {
                        return Err("interrupted before the connection had ended".to_owned());
                    }
                    self.close(CloseCode::NORMAL_CLOSURE, "");
                }
                () = sleep_until(last + wait), if over => {
                    self.close(CloseCode::NORMAL_CLOSURE, "");
                }
                () = tick(&mut ticks) => {
                    let measured = self.ws.latency();
                    if measured != latency && let Some(measured) = measured {
                        output.latency(measured)?;
                    }
                    latency = measured;
                }
            }
        }
    }

    /// Loses nothing if it is dropped: what is under way is in `self`.
    async fn next(&mut self) -> Result<Happening, Error> {
        poll_fn(|task| self.poll(task)).await
    }

    /// Both directions at once: with an echo at the other end, whoever only writes waits for one
    /// who only writes.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<Happening, Error>> {
        if let Poll::Ready(message) = self.ws.poll_next(task)? {
            return Poll::Ready(Ok(message.map_or(Happening::Ended, Happening::Received)));
        }
        if self.unsent.is_some() {
            let ready = Pin::new(&mut self.ws).poll_ready(task);
            return match ready {
                Poll::Ready(Ok(())) => {
                    self.send_now();
                    Poll::Ready(Ok(Happening::Sent))
                }
                // `poll_next` tells why.
                Poll::Ready(Err(_)) => {
                    self.unsent = None;
                    Poll::Ready(Ok(Happening::Sent))
                }
                Poll::Pending => Poll::Pending,
            };
        }
        if self.input == Input::Open
            && let Poll::Ready(line) = self.lines.poll_recv(task)
        {
            return Poll::Ready(Ok(Happening::Line(line)));
        }
        Poll::Pending
    }

    fn send_now(&mut self) {
        if let Some(message) = self.unsent.take() {
            // Refused only once the connection closes: nobody wants it any more.
            let _ = Pin::new(&mut self.ws).start_send(message);
        }
    }

    fn obey(&mut self, line: io::Result<String>) -> Result<(), Failure> {
        self.line_count += 1;
        let at = |why: String| format!("line {} of standard input: {why}", self.line_count);
        let line = line.map_err(|error| at(error.to_string()))?;
        let order = if self.json { input::json(&line).map_err(at)? } else { input::plain(line) };
        match order {
            Order::Send(message) => self.unsent = Some(message),
            Order::Close(code, reason) => match self.ws.start_close(code, &reason) {
                Err(error) if self.ws.ready_state() == ReadyState::Open => {
                    return Err(at(error.to_string()));
                }
                // Closes, perhaps for the peer's sake already.
                Ok(()) | Err(_) => self.input = Input::Ended,
            },
        }
        Ok(())
    }

    /// Closes, where that has not been done already.
    fn close(&mut self, code: CloseCode, reason: &str) {
        self.input = Input::Ended;
        // What else could be refused is a code or a reason that must not travel.
        let _ = self.ws.start_close(code, reason);
    }
}

/// The next tick, if there are any.
async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}
