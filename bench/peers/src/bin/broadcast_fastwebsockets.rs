//! A broadcast on fastwebsockets, as its split is meant: one task of a connection reads and
//! publishes to a channel of tokio's, the other writes what the channel says. (What reading
//! obliges it to send is left out: the load sends no Ping, and ends without a Close.)
#![forbid(unsafe_code)]

use std::{convert::Infallible, sync::Arc};

use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, Role, after_handshake_split};
use tidewire_bench_peers::{Ended, handshake, room, serve};
use tokio::{net::TcpStream, sync::broadcast::Sender, task::unconstrained};

type Message = (OpCode, Arc<Vec<u8>>);

fn main() -> std::io::Result<()> {
    let room = room();
    serve(move |socket| visit(socket, room.clone()))
}

async fn visit(mut socket: TcpStream, room: Sender<Message>) -> Ended {
    handshake(&mut socket).await?;
    let mut published = room.subscribe();
    let (read, write) = socket.into_split();
    let (ws, mut sink) = after_handshake_split(read, write, Role::Server);
    let mut ws = FragmentCollectorRead::new(ws);
    tokio::spawn(unconstrained(async move {
        while let Ok((opcode, bytes)) = published.recv().await {
            let frame = Frame::new(true, opcode, None, Payload::Borrowed(&bytes));
            if sink.write_frame(frame).await.is_err() {
                break;
            }
        }
    }));
    loop {
        let frame = ws.read_frame(&mut |_| async { Ok::<_, Infallible>(()) }).await?;
        if matches!(frame.opcode, OpCode::Text | OpCode::Binary) {
            room.send((frame.opcode, Arc::new(frame.payload.to_owned())))?;
        }
    }
}
