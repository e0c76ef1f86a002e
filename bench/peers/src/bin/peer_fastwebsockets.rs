//! fastwebsockets, as its README and its `echo_server` example have it, on the bare socket: the
//! hyper upgrade of the example would put a boxed stream between.
#![forbid(unsafe_code)]

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};
use tidewire_bench_peers::{Ended, handshake, serve};
use tokio::net::TcpStream;

fn main() -> std::io::Result<()> {
    serve(echo)
}

async fn echo(mut socket: TcpStream) -> Ended {
    handshake(&mut socket).await?;
    let mut ws = WebSocket::after_handshake(socket, Role::Server);
    ws.set_writev(true);
    ws.set_auto_close(true);
    ws.set_auto_pong(true);
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}
