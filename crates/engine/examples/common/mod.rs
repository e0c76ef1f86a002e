//! The command line that the examples share.

use std::{error::Error, net::TcpListener, sync::Arc};

use tidewire::tls::server_config;

use tidewire_engine::{
    Door, Io, Settings,
    proto::{DeflateConfig, handshake::OriginPolicy},
    rustls::ServerConfig,
};

pub(crate) struct Options {
    address: String,
    io: Io,
    threads: usize,
    deflate: Option<DeflateConfig>,
    tls: Option<Arc<ServerConfig>>,
}

impl Options {
    pub(crate) fn from_args(name: &str) -> Result<Self, Box<dyn Error>> {
        let usage = || {
            format!(
                "usage: {name} ADDRESS [--io epoll|uring|auto] [--threads N] [--deflate] [--window-bits N] \
                 [--tls CERT KEY], e.g. {name} 127.0.0.1:9002"
            )
        };
        let threads = Settings::default().thread_count;
        let mut options =
            Self { address: String::new(), io: Io::Auto, threads, deflate: None, tls: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match &*arg {
                "--deflate" => options.deflate = Some(DeflateConfig::default()),
                // As much of what went before as a message may refer to, 8 to 15; compresses.
                "--window-bits" => {
                    let bits = args.next().ok_or_else(usage)?.parse()?;
                    let config = options.deflate.get_or_insert_default();
                    (config.server_window_bits, config.client_window_bits) = (bits, bits);
                }
                "--tls" => {
                    let (certificates, key) = args.next().zip(args.next()).ok_or_else(usage)?;
                    options.tls = Some(Arc::new(server_config(certificates, key)?));
                }
                "--io" => options.io = args.next().ok_or_else(usage)?.parse()?,
                "--threads" => options.threads = args.next().ok_or_else(usage)?.parse()?,
                _ if arg.starts_with('-') || !options.address.is_empty() => {
                    return Err(usage().into());
                }
                _ => options.address = arg,
            }
        }
        if options.address.is_empty() { Err(usage().into()) } else { Ok(options) }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.io = self.io;
        settings.thread_count = self.threads;
        settings.config.limits.message_len_max = 64 << 20;
        settings.config.limits.fragment_count_max = 131_072;
        settings
    }

    /// Listens, and prints the address as a URL: port 0 picks a free port.
    #[expect(clippy::print_stdout, reason = "it is a program")]
    pub(crate) fn bind(&self) -> Result<TcpListener, Box<dyn Error>> {
        let listener = TcpListener::bind(&self.address)
            .map_err(|error| format!("cannot listen on {}: {error}", self.address))?;
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        println!("{scheme}://{}", listener.local_addr()?);
        Ok(listener)
    }

    pub(crate) fn door(&self) -> Door<()> {
        let door = Door::new().origins(OriginPolicy::Any);
        let door = match &self.deflate {
            Some(deflate) => door.deflate(deflate.clone()),
            None => door,
        };
        match &self.tls {
            Some(config) => door.tls(Arc::clone(config)),
            None => door,
        }
    }
}
