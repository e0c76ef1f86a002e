//! tidewire, as its `echo` example has it, on a runtime of one thread with `unconstrained` tasks
//! like all the others here. With `tls CERTIFICATE KEY` over TLS; with `deflate` it compresses
//! each message on its own, with `deflate-takeover` with a history of 32 KiB, both at level 1.
#![forbid(unsafe_code)]

use std::{io, sync::Arc};

use tidewire::{
    DeflateConfig, Error, Limits, Pending, Server,
    proto::handshake::OriginPolicy,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const MESSAGE_LEN_MAX: u64 = 64 << 20;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let addr = arguments.next().ok_or_else(|| io::Error::other("which address?"))?;
    let limits = Limits { message_len_max: MESSAGE_LEN_MAX, ..Limits::default() };
    let mut server = Server::new().limits(limits).origins(OriginPolicy::Any);
    match arguments.next().as_deref() {
        Some("tls") => server = server.tls(Arc::new(tls_config(arguments)?)),
        // What the peers compress with.
        Some("deflate") => server = server.deflate(DeflateConfig::small_memory()),
        Some("deflate-takeover") => {
            let window_bits = 15;
            server = server.deflate(DeflateConfig {
                server_window_bits: window_bits,
                client_window_bits: window_bits,
                ..DeflateConfig::balanced()
            });
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = server.listen(addr).await?;
        loop {
            let pending = listener.accept().await?;
            tokio::spawn(tokio::task::unconstrained(echo(pending)));
        }
    })
}

fn tls_config(mut files: impl Iterator<Item = String>) -> io::Result<ServerConfig> {
    let (Some(certificate), Some(key)) = (files.next(), files.next()) else {
        return Err(io::Error::other("which certificate and which key?"));
    };
    let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)
}

async fn echo(pending: Pending) -> Result<(), Error> {
    let mut ws = pending.upgrade().await?;
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}
