//! [`ProxyError`]: why a proxy is of no use.

use std::fmt;

use tidewire_proto::uri::UriError;

/// Why there is no connection through a proxy. Never contains the proxy's user or password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's own URI is malformed.
    Uri(UriError),
    /// Its scheme is none of `http`, `https` and `socks5`.
    Scheme,
    /// It wants a user and password, in a way that we know, and its URI has none.
    CredentialsMissing,
    /// It does not know our user and password, or wants to be shown other proof.
    CredentialsRefused,
    /// The user or password is longer than SOCKS5 can tell, or empty where it must not be.
    CredentialsLength,
    /// The server's name is longer than SOCKS5 can tell.
    NameLength,
    /// It answered CONNECT with this status.
    Refused {
        /// The status.
        status: u16,
    },
    /// It answered a SOCKS5 request with this reply.
    Socks5 {
        /// The field REP: 1 to 8 are defined.
        reply: u8,
    },
    /// What it answered is not the protocol that it was spoken to in.
    Malformed,
    /// Its answer is longer than this.
    TooLong {
        /// The limit in bytes.
        head_len_max: usize,
    },
    /// It ended the connection before its answer did.
    EndOfStream,
}

impl ProxyError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Uri(error) => error.section(),
            Self::Scheme => "RFC 6455 §4.1",
            Self::CredentialsMissing | Self::CredentialsRefused => "RFC 9110 §15.5.8, RFC 1929 §2",
            Self::CredentialsLength => "RFC 1929 §2",
            Self::NameLength => "RFC 1928 §5",
            Self::Refused { .. } => "RFC 9110 §9.3.6",
            Self::Socks5 { .. } => "RFC 1928 §6",
            Self::Malformed | Self::EndOfStream => "RFC 9112 §4, RFC 1928 §6",
            Self::TooLong { .. } => "RFC 9112 §2.3",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uri(error) => error.name(),
            Self::Scheme => "proxy_scheme",
            Self::CredentialsMissing => "proxy_credentials_missing",
            Self::CredentialsRefused => "proxy_credentials_refused",
            Self::CredentialsLength => "proxy_credentials_length",
            Self::NameLength => "proxy_name_length",
            Self::Refused { .. } => "proxy_refused",
            Self::Socks5 { .. } => "proxy_socks5",
            Self::Malformed => "proxy_malformed",
            Self::TooLong { .. } => "proxy_head_len_max",
            Self::EndOfStream => "proxy_end_of_stream",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => return write!(f, "the URI of the proxy: {error}"),
            Self::Scheme => f.write_str("a proxy is http://, https:// or socks5://"),
            Self::CredentialsMissing => {
                f.write_str("the proxy wants to know who we are; write user:password@ in its URI")
            }
            Self::CredentialsRefused => f.write_str("the proxy refuses our user and password"),
            Self::CredentialsLength => {
                f.write_str("a SOCKS5 user and password have 1 to 255 bytes each")
            }
            Self::NameLength => f.write_str("a host name for SOCKS5 has at most 255 bytes"),
            Self::Refused { status } => write!(f, "the proxy refuses with status {status}"),
            Self::Socks5 { reply } => {
                write!(f, "the proxy refuses with reply {reply}: {}", reply_text(*reply))
            }
            Self::Malformed => f.write_str("the proxy's answer makes no sense"),
            Self::TooLong { head_len_max } => {
                write!(f, "the proxy's answer is longer than {head_len_max} bytes")
            }
            Self::EndOfStream => f.write_str("the proxy ended the connection instead of answering"),
        }?;
        write!(f, " ({})", self.section())
    }
}

/// RFC 1928 §6.
const fn reply_text(reply: u8) -> &'static str {
    match reply {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unassigned",
    }
}

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            _ => None,
        }
    }
}
