//! The opening handshake over a byte stream, as both ends need it.

use std::{future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use tidewire_proto::handshake::{
    ClientHandshake, Established, HandshakeFailure, HandshakeLimits, Rejection, Request, Response,
    ServerHandshake,
};
use tokio::{
    io::{AsyncWriteExt, ReadBuf},
    time::timeout,
};

use crate::{
    deadline::Deadline,
    error::{Error, HandshakeError},
    link::Stream,
    thread::{give_read_buffer, take_read_buffer},
};

/// After a refusal we read on for so long, so that no reset eats our answer.
const LINGER: Duration = Duration::from_millis(500);

/// And so much.
const LINGER_LEN_MAX: usize = 64 << 10;

/// Reads a request, of which `read` is the beginning, and what the client has sent after it.
/// Answers what is no request itself.
pub(crate) async fn read_request<S: Stream>(
    io: &mut S,
    read: &[u8],
    limits: HandshakeLimits,
    deadline: Deadline,
) -> Result<(Request, Vec<u8>), Error> {
    let mut handshake = ServerHandshake::new(limits);
    let reading = async {
        let mut begun = read;
        match handshake.receive(&mut begun) {
            Ok(Some(request)) => return Ok((request, begun.to_vec())),
            Ok(None) => {}
            Err(error) => return Err(Error::from(HandshakeError::Request(error))),
        }
        loop {
            let (len, mut buffer) = read_some(io).await?;
            let mut input = &buffer[..len];
            let result = handshake.receive(&mut input);
            let unread = input.to_vec();
            buffer[..len].fill(0); // cookies and tokens do not wait for the next connection
            give_read_buffer(buffer);
            match result {
                Ok(Some(request)) => return Ok((request, unread)),
                Ok(None) if len == 0 => return Err(Error::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(None) => {}
                Err(error) => return Err(Error::from(HandshakeError::Request(error))),
            }
        }
    };
    let error = match deadline.limit(reading).await {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(error)) => error,
        Err(late) => late.into(),
    };
    if let Error::Handshake(handshake) = &error
        && let Some(rejection) = handshake.rejection()
    {
        respond(io, &rejection.to_response(tidewire_proto::handshake::HttpVersion::Http11)).await?;
    }
    Err(error)
}

/// Writes the whole answer to a request that is refused, and ends TCP in order.
pub(crate) async fn respond<S: Stream>(io: &mut S, response: &Response) -> io::Result<()> {
    let answer = async {
        io.write_all(&response.encode()).await?;
        linger(io).await
    };
    // Whoever does not end its half is not waited for.
    timeout(LINGER, answer).await.unwrap_or(Ok(()))
}

/// Ends TCP in order after our last word, so that no reset eats it.
#[cfg(feature = "tls")]
pub(crate) async fn end<S: Stream>(io: &mut S) {
    // There is nobody to tell of an error to: that of the handshake is what matters.
    let _ = timeout(LINGER, linger(io)).await;
}

async fn linger<S: Stream>(io: &mut S) -> io::Result<()> {
    io.shutdown().await?;
    let mut left = LINGER_LEN_MAX;
    loop {
        // However the peer ends its half, it had our answer to read before.
        let Ok((len, buffer)) = read_some(io).await else { return Ok(()) };
        give_read_buffer(buffer);
        left = left.saturating_sub(len);
        if len == 0 || left == 0 {
            return Ok(());
        }
    }
}

/// Sends a request and reads the response; returns what the server has sent after it.
pub(crate) async fn request<S: Stream>(
    io: &mut S,
    mut handshake: ClientHandshake,
    deadline: Deadline,
) -> Result<(Established, Vec<u8>), Error> {
    let exchange = async {
        io.write_all(handshake.request()).await?;
        io.flush().await?;
        loop {
            let (len, buffer) = read_some(io).await?;
            let mut input = &buffer[..len];
            let result =
                if len == 0 { Err(handshake.handle_eof()) } else { handshake.receive(&mut input) };
            let unread = input.to_vec();
            give_read_buffer(buffer);
            match result {
                Ok(Some(established)) => return Ok((established, unread)),
                Ok(None) => {}
                Err(failure) => return Err(Error::from(failure)),
            }
        }
    };
    match deadline.limit(exchange).await {
        Ok(result) => result,
        Err(late) => Err(match handshake.handle_eof() {
            // A refusal whose body did not end: the refusal is what matters.
            refused @ HandshakeFailure::Refused(_) => refused.into(),
            HandshakeFailure::Invalid(_) => late.into(),
        }),
    }
}

/// One read, into a buffer of the thread; while nothing arrives, it holds none.
async fn read_some<S: Stream>(io: &mut S) -> io::Result<(usize, Box<[u8]>)> {
    poll_fn(|task| {
        let mut buffer = take_read_buffer();
        let mut buf = ReadBuf::new(&mut buffer);
        let poll = Pin::new(&mut *io).poll_read(task, &mut buf);
        let len = buf.filled().len();
        match poll {
            Poll::Ready(Ok(())) => Poll::Ready(Ok((len, buffer))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                give_read_buffer(buffer);
                Poll::Pending
            }
        }
    })
    .await
}

/// For a rejection that the application has decided on.
pub(crate) async fn reject<S: Stream>(
    io: &mut S,
    request: &Request,
    rejection: &Rejection,
) -> Result<(), Error> {
    let response = match request {
        Request::WebSocket(request) => request.reject(rejection).map_err(HandshakeError::Misuse)?,
        Request::Other(request) => request.respond(rejection),
    };
    Ok(respond(io, &response).await?)
}
