//! The limit of tokio: a task for each connection that sends back what it reads and knows no
//! protocol. One receive buffer for all of them, since there is one thread.
#![forbid(unsafe_code)]

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

use tidewire_bench_peers::{Ended, serve};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

const BUFFER_LEN: usize = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_LEN]);
}

fn main() -> io::Result<()> {
    serve(echo)
}

async fn echo(mut socket: TcpStream) -> Ended {
    let mut unsent = Vec::new();
    while turn(&mut socket, &mut unsent).await? {
        let mut sent = 0;
        while sent < unsent.len() {
            let rest = &unsent[sent..];
            sent += poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, rest)).await?;
        }
        // A fresh one each time: an empty vector owns nothing.
        unsent = Vec::new();
    }
    Ok(())
}

/// Reads once and writes once; what the socket would not take goes to `unsent`. `false` at the end.
async fn turn(socket: &mut TcpStream, unsent: &mut Vec<u8>) -> io::Result<bool> {
    poll_fn(|cx| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut read))?;
            let came = read.filled();
            if came.is_empty() {
                return Poll::Ready(Ok(false));
            }
            let written = match Pin::new(&mut *socket).poll_write(cx, came) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            unsent.extend_from_slice(&came[written..]);
            Poll::Ready(Ok(true))
        })
    })
    .await
}
