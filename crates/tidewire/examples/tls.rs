//! TLS with certificates on both ends: a server that lets in whom it knows, and a client that it
//! knows, in one program.
//!
//! ```text
//! cargo run -p tidewire --example tls
//! ```
//!
//! Both certificates are made at the start, by an authority that nobody else trusts.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tidewire::{
    Client, CloseCode, Listener, Server,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
        server::WebPkiClientVerifier,
    },
    tls,
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

type Authority = CertifiedIssuer<'static, KeyPair>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = Authority::self_signed(params, KeyPair::generate()?)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let roots = Arc::new(roots);

    let server = Server::new().tls(Arc::new(server_config(&authority, Arc::clone(&roots))?));
    let listener = server.listen("127.0.0.1:0").await?;
    let url = format!("wss://localhost:{}/", listener.local_addr()?.port());
    tokio::spawn(async move {
        if let Err(error) = serve(listener).await {
            eprintln!("server: {error}");
        }
    });

    // Somebody without a certificate is not let in.
    let stranger = ClientConfig::builder_with_provider(tls::provider()?)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(&roots))
        .with_no_client_auth();
    match Client::new().tls(Arc::new(stranger)).connect(&url).await {
        Ok(_) => return Err("a client without a certificate was let in".into()),
        Err(error) => println!("without a certificate: {error}"),
    }

    let (chain, key) = issue(&authority, "alice")?;
    let known = ClientConfig::builder_with_provider(tls::provider()?)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    let mut ws = Client::new().tls(Arc::new(known)).connect(&url).await?;
    ws.send("hello").await?;
    println!("with one: {:?}", ws.next().await?);
    ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    Ok(())
}

/// Echoes, and says by which certificate it knows the client.
async fn serve(listener: Listener) -> Result<()> {
    loop {
        let pending = listener.accept().await?;
        tokio::spawn(async move {
            let mut ws = pending.upgrade().await?;
            let len = ws.with_io(|io| io.tls()?.peer_certificates()?.first().map(|c| c.len()));
            println!("the client showed a certificate of {} bytes", len.unwrap_or_default());
            while let Some(message) = ws.next().await? {
                ws.send(message).await?;
            }
            Ok::<_, tidewire::Error>(())
        });
    }
}

/// For a server called `localhost` that wants to see a certificate of the authority's.
fn server_config(authority: &Authority, roots: Arc<RootCertStore>) -> Result<ServerConfig> {
    let provider = tls::provider()?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let (chain, key) = issue(authority, "localhost")?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?)
}

/// A certificate for `name`, and its key.
fn issue(
    authority: &Authority,
    name: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([name.into()])?.signed_by(&key, authority)?;
    Ok((vec![certificate.der().clone()], key.into()))
}
