//! [`TrustedProxies`]: whose word on the address and the scheme of a client counts.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName};
use tidewire::proto::uri::Scheme;

/// How many addresses of X-Forwarded-For are looked at, from the end.
const HOPS_MAX: usize = 16;

/// The proxies in front of us, by their networks. What anybody else says in X-Forwarded-For and
/// X-Forwarded-Proto is not listened to: anybody can say anything there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// Who is at the other end, behind the proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is these two")]
pub struct Client {
    /// Where it is.
    pub address: IpAddr,
    /// How it speaks to the first of us, where that is known.
    pub scheme: Option<Scheme>,
}

impl TrustedProxies {
    /// Proxies in these networks.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Who sent a request that came from `peer`. `tls` says whether TLS ends here.
    ///
    /// Each proxy adds the address that it was spoken to by at the end of X-Forwarded-For. So the last
    /// one that is not a trusted proxy's is the client's; what stands before it, the client may have made up.
    pub fn client(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        let here = if tls { Some(Scheme::Wss) } else { None };
        if !self.contains(peer) {
            return Client { address: peer, scheme: here };
        }
        let hops = from_the_end(headers, "x-forwarded-for");
        let mut address = peer;
        // As many proxies as there are between the client and us, the peer among them.
        let mut proxies = 1;
        for hop in hops.iter().take(HOPS_MAX) {
            // What is no address was not written by a proxy that we know how to read.
            let Some(hop) = parse_hop(hop) else { break };
            address = hop;
            if !self.contains(hop) {
                break;
            }
            proxies += 1;
        }
        let schemes = from_the_end(headers, "x-forwarded-proto");
        // Where each proxy has added its scheme, that of the first one counts; many replace it instead.
        let told = if schemes.len() >= hops.len() { schemes.get(proxies - 1) } else { None };
        let scheme = told.or(schemes.first()).and_then(|scheme| Scheme::from_any(scheme));
        Client { address, scheme: scheme.or(here) }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let (one, other, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (u128::from(u32::from(one)), u128::from(u32::from(other)), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other), 128),
            _ => return false,
        };
        let rest = bits - u32::from(self.prefix_len);
        one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// `10.0.0.0/8`, `fd00::/8`, or an address alone.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.into());
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match prefix_len {
            // `u8::from_str` alone would take a sign.
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => {
                len.parse().ok().filter(|len| *len <= bits).ok_or_else(invalid)?
            }
            Some(_) => return Err(invalid()),
            None => bits,
        };
        Ok(Self { address, prefix_len })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// Not a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNetwork(Box<str>);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no network: write 10.0.0.0/8, fd00::/8, or an address", self.0)
    }
}

impl std::error::Error for InvalidNetwork {}

/// The elements of a list in headers, the last one first. What is not text makes them end.
fn from_the_end<'h>(headers: &'h HeaderMap, name: &'static str) -> Vec<&'h str> {
    let lines: Vec<_> = headers.get_all(HeaderName::from_static(name)).iter().collect();
    let lines = lines.into_iter().rev().map_while(|line| line.to_str().ok());
    lines.flat_map(|line| line.rsplit(',')).map(str::trim).collect()
}

/// An address, which some proxies write with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const XFF: &str = "x-forwarded-for";
    const PROTO: &str = "x-forwarded-proto";

    type Case<'a> = (&'a str, &'a str, &'a [(&'static str, &'a str)], &'a str, Option<Scheme>);

    #[test]
    fn s13_who_is_behind_which_proxies() {
        let (ws, wss) = (Some(Scheme::Ws), Some(Scheme::Wss));
        // rule, the peer, headers, the client; proxies are 10.0.0.0/8 and fd00::/8
        let cases: &[Case<'_>] = &[
            ("no proxy", "192.0.2.1", &[], "192.0.2.1", None),
            (
                "S13 who is no proxy",
                "192.0.2.1",
                &[(XFF, "1.1.1.1"), (PROTO, "https")],
                "192.0.2.1",
                None,
            ),
            ("one proxy", "10.0.0.1", &[(XFF, "1.1.1.1"), (PROTO, "https")], "1.1.1.1", wss),
            (
                "S13 the client made some up",
                "10.0.0.1",
                &[(XFF, "6.6.6.6, 1.1.1.1")],
                "1.1.1.1",
                None,
            ),
            (
                "S13 a proxy's address made up",
                "10.0.0.1",
                &[(XFF, "10.0.0.9, 1.1.1.1")],
                "1.1.1.1",
                None,
            ),
            ("two proxies", "10.0.0.1", &[(XFF, "1.1.1.1, 10.0.0.2")], "1.1.1.1", None),
            ("two, and made up", "10.0.0.1", &[(XFF, "6.6.6.6,1.1.1.1,10.0.0.2")], "1.1.1.1", None),
            (
                "over several lines",
                "10.0.0.1",
                &[(XFF, "1.1.1.1"), (XFF, "10.0.0.2")],
                "1.1.1.1",
                None,
            ),
            ("all are proxies", "10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3", None),
            ("a proxy that says nothing", "10.0.0.1", &[], "10.0.0.1", None),
            ("nothing that can be read", "10.0.0.1", &[(XFF, "unknown")], "10.0.0.1", None),
            (
                "S13 nonsense behind a proxy",
                "10.0.0.1",
                &[(XFF, "1.1.1.1, x, 10.0.0.2")],
                "10.0.0.2",
                None,
            ),
            ("an empty element", "10.0.0.1", &[(XFF, "1.1.1.1,")], "10.0.0.1", None),
            ("with a port", "10.0.0.1", &[(XFF, "1.1.1.1:999")], "1.1.1.1", None),
            ("IPv6", "fd00::1", &[(XFF, "2001:db8::1")], "2001:db8::1", None),
            ("IPv6 with a port", "fd00::1", &[(XFF, "[2001:db8::1]:9")], "2001:db8::1", None),
            ("IPv6 in brackets", "fd00::1", &[(XFF, "[2001:db8::1]")], "2001:db8::1", None),
            ("a mapped peer", "::ffff:10.0.0.1", &[(XFF, "1.1.1.1")], "1.1.1.1", None),
            ("a mapped client", "10.0.0.1", &[(XFF, "::ffff:1.1.1.1")], "1.1.1.1", None),
            ("not https", "10.0.0.1", &[(XFF, "1.1.1.1"), (PROTO, "http")], "1.1.1.1", ws),
            ("wss, as some say", "10.0.0.1", &[(XFF, "1.1.1.1"), (PROTO, "wss")], "1.1.1.1", wss),
            ("no scheme", "10.0.0.1", &[(XFF, "1.1.1.1"), (PROTO, "gopher")], "1.1.1.1", None),
            (
                "S13 a scheme made up",
                "10.0.0.1",
                &[(XFF, "1.1.1.1"), (PROTO, "https, http")],
                "1.1.1.1",
                ws,
            ),
            (
                "each its own scheme",
                "10.0.0.1",
                &[(XFF, "1.1.1.1, 10.0.0.2"), (PROTO, "https, http")],
                "1.1.1.1",
                wss,
            ),
            (
                "the last has replaced it",
                "10.0.0.1",
                &[(XFF, "1.1.1.1, 10.0.0.2"), (PROTO, "https")],
                "1.1.1.1",
                wss,
            ),
        ];
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxies = TrustedProxies::new(proxies);
        for (rule, peer, headers, address, scheme) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(*name, value.parse().unwrap());
            }
            let client = proxies.client(peer.parse().unwrap(), false, &map);
            let expected = Client { address: address.parse().unwrap(), scheme: *scheme };
            assert_eq!(client, expected, "{rule}");
        }
        // Without proxies, nobody is listened to; TLS that ends here is known.
        let map = HeaderMap::from_iter([(XFF.parse().unwrap(), "1.1.1.1".parse().unwrap())]);
        let peer = [10, 0, 0, 1].into();
        let client = TrustedProxies::default().client(peer, true, &map);
        assert_eq!(client, Client { address: peer, scheme: wss });
    }

    #[test]
    fn as_many_hops_as_are_looked_at() {
        let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
        let behind = |count| {
            let list = format!("1.1.1.1{}", ", 10.0.0.2".repeat(count));
            let map = HeaderMap::from_iter([(XFF.parse().unwrap(), list.parse().unwrap())]);
            proxies.client([10, 0, 0, 1].into(), false, &map).address.to_string()
        };
        assert_eq!(behind(HOPS_MAX - 1), "1.1.1.1");
        assert_eq!(behind(HOPS_MAX), "10.0.0.2");
    }

    #[test]
    fn networks_by_rule() {
        let cases = [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
        ];
        for (network, address, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/", "a/8"] {
            text.parse::<Network>().expect_err(text);
        }
    }
}
