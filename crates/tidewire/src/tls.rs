//! TLS by rustls, in both roles.
//!
//! # Which cryptography
//! Where nobody hands in a configuration, the process's default
//! [`CryptoProvider`] is used if one was installed, else the one
//! of the feature `ring`, else the one of `aws-lc-rs`. So both features may be on, as happens when
//! two crates of a program differ, and turning one on changes nothing for who relied on the other.
//!
//! # Whom a client trusts
//! The roots of the operating system, read once per process. Its owner decides whom to trust: an
//! organisation's own authority works without a word to us, and what the system's updates distrust
//! is not trusted by a program that was built before. The price: in a container without
//! `ca-certificates`, `wss:` fails with a sentence that says so, and needs `SSL_CERT_FILE` or
//! [`Client::tls`](crate::Client::tls).

use std::{
    io,
    path::Path,
    sync::{Arc, OnceLock},
};

use tidewire_proto::{handshake::HttpVersion, uri::Host};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

use crate::{error::HandshakeError, net_stream::NetStream, opening};

mod unverified;

/// What we speak over TLS (RFC 7301), as far as a default configuration says so.
const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// Does the client's end of the TLS handshake, for a connection of one of these versions of HTTP.
pub(crate) async fn connect(
    config: Option<&Arc<ClientConfig>>,
    io: NetStream,
    host: &Host,
    versions: &[HttpVersion],
) -> Result<NetStream, HandshakeError> {
    let mut config = match config {
        Some(config) => Arc::clone(config),
        None => default_config().await.map_err(HandshakeError::Tls)?,
    };
    let (http1, http2) =
        (versions.contains(&HttpVersion::Http11), versions.contains(&HttpVersion::Http2));
    if http2 {
        // Whatever it offers else: here nothing else would be of use.
        let offers = [(http2, ALPN_HTTP2), (http1, ALPN_HTTP1)];
        Arc::make_mut(&mut config).alpn_protocols =
            offers.iter().filter(|offer| offer.0).map(|offer| offer.1.to_vec()).collect();
    }
    let name = server_name(host).map_err(HandshakeError::Tls)?;
    let io = TlsConnector::from(config).connect(name, io).await.map_err(HandshakeError::Tls)?;
    // RFC 7301 §3.2: from here on the connection speaks what was selected.
    match io.get_ref().1.alpn_protocol() {
        None | Some(ALPN_HTTP1) if http1 => Ok(TlsStream::from(io).into()),
        Some(ALPN_HTTP2) if http2 => Ok(TlsStream::from(io).into()),
        // RFC 9113 §3.3: "HTTP/2 over TLS uses the "h2" protocol identifier".
        None => Err(HandshakeError::Tls(io::Error::other(
            "the server does not speak HTTP/2: it selected no ALPN (RFC 9113 §3.3)",
        ))),
        Some(other) => Err(HandshakeError::Tls(io::Error::other(format!(
            "the server selected {:?}, which is not spoken here (RFC 7301 §3.2)",
            String::from_utf8_lossy(other)
        )))),
    }
}

/// Whether HTTP/2 was selected.
#[cfg(feature = "http2")]
pub(crate) fn is_http2(io: &NetStream) -> bool {
    io.tls().is_some_and(|tls| tls.alpn_protocol() == Some(ALPN_HTTP2))
}

/// Does the server's end of the TLS handshake.
pub(crate) async fn accept(
    config: &Arc<ServerConfig>,
    io: NetStream,
) -> Result<NetStream, HandshakeError> {
    match TlsAcceptor::from(Arc::clone(config)).accept(io).into_fallible().await {
        Ok(io) => Ok(TlsStream::from(io).into()),
        Err((error, mut io)) => {
            // The alert is written. A client that has said more meanwhile must still get to read
            // it, so TCP ends in order.
            opening::end(&mut io).await;
            Err(HandshakeError::Tls(error))
        }
    }
}

/// The name that the certificate must carry.
fn server_name(host: &Host) -> io::Result<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error)),
        Host::V4(address) => Ok(ServerName::from(std::net::IpAddr::V4(*address))),
        Host::V6(address) => Ok(ServerName::from(std::net::IpAddr::V6(*address))),
    }
}

/// The configuration of clients that brought none.
async fn default_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    // Files are read. If two tasks do it at once, one of the results is kept.
    let config = tokio::task::spawn_blocking(load_config).await.map_err(io::Error::other)??;
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

fn load_config() -> io::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = match found.errors.first() {
            Some(error) => format!("no root certificates can be read: {error}"),
            None => "this system has no root certificates".into(),
        };
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{why}; install ca-certificates, set SSL_CERT_FILE, or use Client::tls"),
        ));
    }
    let mut config = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(config)
}

/// A configuration for [`Server::tls`](crate::Server::tls) from two PEM files: a chain of
/// certificates, the server's own first, and its private key.
///
/// # Errors
/// If a file cannot be read, or the two do not fit; the message names the file.
pub fn server_config(
    certificates: impl AsRef<Path>,
    key: impl AsRef<Path>,
) -> io::Result<ServerConfig> {
    let (certificates, key) = (certificates.as_ref(), key.as_ref());
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificates, &error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    server_config_of(chain, key_der).map_err(|error| unreadable(certificates, &error))
}

/// As [`server_config`], from what stands in the files.
///
/// # Errors
/// If one of them is no PEM, or the two do not fit.
pub fn server_config_from_pem(certificates: &[u8], key: &[u8]) -> io::Result<ServerConfig> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(|error| invalid(&format!("certificates: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(key);
    let key = key.map_err(|error| invalid(&format!("private key: {error}")))?;
    server_config_of(chain, key)
}

fn server_config_of(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| invalid(&error))?;
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(config)
}

fn invalid(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    invalid(&format!("{}: {error}", path.display()))
}

/// A configuration for [`Client::tls`](crate::Client::tls) that takes any certificate for that of
/// the server. Whoever sits between can read and change everything: for tests alone.
///
/// # Errors
/// If there is no cryptography; see the [module](self).
pub fn unverified_client_config() -> io::Result<ClientConfig> {
    let provider = provider()?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(unverified::Unverified(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(config)
}

/// The cryptography for who brings no configuration, chosen as the [module](self) says.
///
/// # Errors
/// If there is none.
pub fn provider() -> io::Result<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "ring")]
    let provider = Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    let provider = Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    let provider = Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "no cryptography: turn on the feature `ring` or `aws-lc-rs`, install a CryptoProvider, \
         or use Client::tls",
    ));
    provider
}

/// Whether it is TLS that failed: the peer's last word may arrive while we wait for its response.
pub(crate) fn is_alert(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}
