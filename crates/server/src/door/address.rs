//! [`AddressKey`]: what counts as one address.

use std::net::{IpAddr, Ipv6Addr};

/// An address as limits count it: IPv4 by the address, IPv6 by the /64, which is what one household gets
/// and can take any address of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_are_one() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::1", "127.0.0.1", false),
        ];
        for (one, other, same) in cases {
            let key = |text: &str| AddressKey::from(text.parse::<IpAddr>().unwrap());
            assert_eq!(key(one) == key(other), same, "{one} {other}");
        }
    }
}
