//! tidewire, as its `echo` example has it, on a runtime of one thread with `unconstrained` tasks
//! like all the others here.
#![forbid(unsafe_code)]

use std::io;

use tidewire::{Error, Limits, Pending, Server, proto::handshake::OriginPolicy};

const MESSAGE_LEN_MAX: u64 = 64 << 20;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    let limits = Limits { message_len_max: MESSAGE_LEN_MAX, ..Limits::default() };
    let server = Server::new().limits(limits).origins(OriginPolicy::Any);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = server.listen(addr).await?;
        loop {
            let pending = listener.accept().await?;
            tokio::spawn(tokio::task::unconstrained(echo(pending)));
        }
    })
}

async fn echo(pending: Pending) -> Result<(), Error> {
    let mut ws = pending.upgrade().await?;
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}
