//! The raw limit of a fan-out: a send loop on epoll. What was read at once goes to every
//! connection in one write; with `each`, every frame in a write of its own.
#![forbid(unsafe_code)]

use tidewire_bench_peers::{asked_for, frame_len, raw};

fn main() -> std::io::Result<()> {
    let each = asked_for("each");
    // A frame whose end has not come yet.
    let mut partial = Vec::new();
    raw::serve(|connections, _, bytes| {
        if !each {
            return connections.send_to_all(bytes);
        }
        partial.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(len) = frame_len(&partial[done..]) {
            connections.send_to_all(&partial[done..done + len]);
            done += len;
        }
        partial.drain(..done);
    })
}
