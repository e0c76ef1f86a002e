//! A tunnel by SOCKS5 (RFC 1928), with user and password (RFC 1929).

use tidewire_proto::uri::{Host, UserInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ProxyError, TunnelError};
use crate::link::Stream;

/// RFC 1928 §3.
const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xFF;

/// RFC 1929 §2: the subnegotiation has a version of its own.
const AUTHENTICATION_VERSION: u8 = 1;

/// §4.
const CONNECT: u8 = 1;

/// §5.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

pub(super) async fn tunnel<S: Stream>(
    io: &mut S,
    host: &Host,
    port: u16,
    credentials: Option<&UserInfo>,
) -> Result<(), TunnelError> {
    let request = request(host, port)?;
    let credentials = credentials.map(authentication).transpose()?;
    let greeting: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(io, greeting).await?;
    match (read(io).await?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, USER_AND_PASSWORD], Some(credentials)) => {
            send(io, &credentials).await?;
            // RFC 1929 §2: "A STATUS field of X'00' indicates success."
            let [_, status] = read(io).await?;
            if status != 0 {
                return Err(ProxyError::CredentialsRefused.into());
            }
        }
        ([VERSION, NO_METHOD], Some(_)) => return Err(ProxyError::CredentialsRefused.into()),
        ([VERSION, NO_METHOD], None) => return Err(ProxyError::CredentialsMissing.into()),
        _ => return Err(ProxyError::Malformed.into()),
    }
    send(io, &request).await?;
    let [version, reply, _, address_type] = read(io).await?;
    if version != VERSION {
        return Err(ProxyError::Malformed.into());
    }
    if reply != 0 {
        return Err(ProxyError::Socks5 { reply }.into());
    }
    // The address that the proxy connects from is of no use to us, but it is in the way.
    match address_type {
        IPV4 => read::<4, _>(io).await.map(drop)?,
        IPV6 => read::<16, _>(io).await.map(drop)?,
        NAME => {
            let [len] = read(io).await?;
            let mut name = [0; 255];
            io.read_exact(&mut name[..usize::from(len)]).await?;
        }
        _ => return Err(ProxyError::Malformed.into()),
    }
    read::<2, _>(io).await?; // its port
    Ok(())
}

/// §4. A name is the proxy's to resolve.
fn request(host: &Host, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        Host::V4(address) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::V6(address) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            request.push(NAME);
            request.push(u8::try_from(name.len()).map_err(|_| ProxyError::NameLength)?);
            request.extend(name.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

/// RFC 1929 §2.
fn authentication(user_info: &UserInfo) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![AUTHENTICATION_VERSION];
    for part in [user_info.user(), user_info.password()] {
        match u8::try_from(part.len()) {
            Ok(len @ 1..) => request.push(len),
            _ => return Err(ProxyError::CredentialsLength),
        }
        request.extend(part);
    }
    Ok(request)
}

async fn send<S: Stream>(io: &mut S, bytes: &[u8]) -> Result<(), TunnelError> {
    io.write_all(bytes).await?;
    Ok(io.flush().await?)
}

async fn read<const N: usize, S: Stream>(io: &mut S) -> Result<[u8; N], TunnelError> {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}
