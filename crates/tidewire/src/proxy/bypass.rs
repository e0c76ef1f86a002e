//! [`Bypass`]: whom to connect to directly, as `no_proxy` says.

use std::net::IpAddr;

use tidewire_proto::uri::{Authority, Host};

/// A parsed `no_proxy`. No standard says what it means: this is what curl and Go have in common,
/// and where they differ, what asks the proxy less.
#[derive(Debug, Default)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Debug)]
enum Entry {
    Everybody,
    /// The domain and all below it.
    Domain {
        name: String,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        prefix_len: u8,
        port: Option<u16>,
    },
}

impl Bypass {
    /// Takes what it understands of the list.
    pub(super) fn parse(list: &str) -> Self {
        Self(list.split([',', ' ']).filter_map(Entry::parse).collect())
    }

    pub(super) fn contains(&self, host: &Host, port: u16) -> bool {
        is_loopback(host) || self.0.iter().any(|entry| entry.contains(host, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Everybody);
        }
        if let Some((address, prefix_len)) = text.split_once('/') {
            let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
            let prefix_len = prefix_len.parse().ok()?;
            let fits = prefix_len <= bits_of(address).1;
            return fits.then_some(Self::Network { address, prefix_len, port: None });
        }
        // IPv6 without brackets comes first: its colons are no ports.
        if let Ok(address) = text.parse() {
            return Some(Self::host(address, None));
        }
        let name = text.strip_prefix('*').unwrap_or(text).trim_start_matches('.');
        let authority: Authority = name.parse().ok()?;
        let port = authority.port();
        Some(match authority.host() {
            Host::V4(address) => Self::host(IpAddr::V4(*address), port),
            Host::V6(address) => Self::host(IpAddr::V6(*address), port),
            Host::Name(name) => Self::Domain { name: name.trim_end_matches('.').into(), port },
        })
    }

    const fn host(address: IpAddr, port: Option<u16>) -> Self {
        Self::Network { address, prefix_len: bits_of(address).1, port }
    }

    fn contains(&self, host: &Host, at_port: u16) -> bool {
        match self {
            Self::Everybody => true,
            Self::Domain { name, port } => {
                let Host::Name(host) = host else { return false };
                let host = host.trim_end_matches('.');
                let below = || host.strip_suffix(&**name).is_some_and(|rest| rest.ends_with('.'));
                port.is_none_or(|port| port == at_port) && (host == name || below())
            }
            Self::Network { address, prefix_len, port } => {
                let host = match host {
                    Host::V4(address) => IpAddr::V4(*address),
                    Host::V6(address) => IpAddr::V6(*address).to_canonical(),
                    Host::Name(_) => return false,
                };
                let ((ours, len), (theirs, their_len)) = (bits_of(*address), bits_of(host));
                // A shift by all 128 bits is a network of everybody.
                let differ = (ours ^ theirs).checked_shr(u32::from(len - prefix_len)).unwrap_or(0);
                port.is_none_or(|port| port == at_port) && len == their_len && differ == 0
            }
        }
    }
}

/// The address as a number, and how many bits it has.
const fn bits_of(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_bits() as u128, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// RFC 6761 §6.3: `localhost` and what is below it is this machine.
fn is_loopback(host: &Host) -> bool {
    match host {
        Host::V4(address) => address.is_loopback(),
        Host::V6(address) => address.to_canonical().is_loopback(),
        Host::Name(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_no_proxy() {
        // the list, whom it contains, whom it does not
        let rows: &[(&str, &[&str], &[&str])] = &[
            (
                "",
                &["localhost:1", "x.localhost:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"],
                &["h:1", "localhost.h:1", "10.0.0.1:1"],
            ),
            ("*", &["h:1", "10.0.0.1:1", "[fe80::1]:1"], &[]),
            ("a.b", &["a.b:1", "A.B.:1", "x.a.b:1"], &["xa.b:1", "b:1", "a.b.c:1"]),
            (".a.b", &["a.b:1", "x.a.b:1"], &["xa.b:1"]),
            ("*.a.b", &["a.b:1", "x.a.b:1"], &["xa.b:1"]),
            ("a.b.", &["a.b:1"], &[]),
            ("c, a:81 ,,d", &["c:1", "d:9", "a:81", "x.a:81"], &["a:80"]),
            ("c d", &["c:1", "d:1"], &["c d:1", "e:1"]),
            ("10.1.2.3", &["10.1.2.3:1"], &["10.1.2.4:1", "x.10.1.2.3:1"]),
            ("10.1.2.3:8", &["10.1.2.3:8"], &["10.1.2.3:9"]),
            ("10.0.0.0/8", &["10.9.9.9:1", "[::ffff:10.1.1.1]:1"], &["11.0.0.1:1", "[a00::]:1"]),
            ("10.0.0.0/9", &["10.127.0.0:1"], &["10.128.0.0:1"]),
            ("0.0.0.0/0", &["8.8.8.8:1"], &["h:1", "[2001::1]:1"]),
            ("::/0", &["[2001::1]:1"], &["8.8.8.8:1"]),
            ("fd00::/8", &["[fd12::1]:1"], &["[fe80::1]:1"]),
            ("fd00::1", &["[fd00::1]:1"], &["[fd00::2]:1"]),
            ("[fd00::1]:7", &["[fd00::1]:7"], &["[fd00::1]:8"]),
            ("10.0.0.0/33, x/8, /, 1.2.3.4/-1, fd00::/129", &[], &["10.0.0.1:1", "x:1"]),
        ];
        for (list, contained, not) in rows {
            let bypass = Bypass::parse(list);
            let contains = |text: &&&str| {
                text.parse().is_ok_and(|authority: Authority| {
                    bypass.contains(authority.host(), authority.port().unwrap())
                })
            };
            assert_eq!(contained.iter().find(|host| !contains(host)), None, "{list:?}");
            assert_eq!(not.iter().find(contains), None, "not in {list:?}");
        }
    }
}
