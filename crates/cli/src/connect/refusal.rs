//! Why there is no connection, in one sentence.

use http::StatusCode;
use tidewire::{
    Error, HandshakeError,
    proto::{handshake::Response, uri::Uri},
};

use super::output::harmless;

/// How much of a body is shown. The whole of it, up to what the library keeps, is in `--json`.
const BODY_SHOWN_MAX: usize = 300;

pub(crate) fn sentence(error: &Error, uri: &Uri, insecure: bool) -> String {
    let Error::Handshake(handshake) = error else {
        return format!("cannot connect to {uri}: {error}");
    };
    match &**handshake {
        HandshakeError::Refused(response) => refused(response, uri),
        HandshakeError::Tls(error) if !insecure => {
            format!("TLS with {uri} failed: {error} (--insecure takes any certificate)")
        }
        HandshakeError::Connect { .. } => handshake.to_string(), // names the target itself
        other => format!("cannot connect to {uri}: {other}"),
    }
}

fn refused(response: &Response, uri: &Uri) -> String {
    let status = response.status();
    let meaning = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let meaning = meaning.map(|meaning| format!(" {meaning}")).unwrap_or_default();
    let body = String::from_utf8_lossy(response.body());
    let body = harmless(&body.split_whitespace().collect::<Vec<_>>().join(" "));
    let shown: String = body.chars().take(BODY_SHOWN_MAX).collect();
    let more = if shown.len() < body.len() { "…" } else { "" };
    let location = response.headers().get("location").filter(|_| (300..400).contains(&status));
    if let Some(location) = location {
        let location = harmless(&String::from_utf8_lossy(location));
        format!(
            "{uri} redirects with {status}{meaning} to {location} (--redirects COUNT follows so many)"
        )
    } else if shown.is_empty() {
        format!("{uri} refused the handshake with {status}{meaning}, and an empty body")
    } else {
        format!("{uri} refused the handshake with {status}{meaning}: {shown}{more}")
    }
}
