//! [`Environment`]: what the variables of the environment say.

use std::fmt;

use tidewire_proto::uri::{Scheme, Uri};

use super::{ProxyError, ProxyUri, bypass::Bypass};

/// The variables as they stood when they were read.
pub(super) struct Environment {
    ws: Option<Result<ProxyUri, ProxyError>>,
    wss: Option<Result<ProxyUri, ProxyError>>,
    bypass: Bypass,
}

impl Environment {
    /// `variable` looks one up.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let all = || either("all_proxy");
        // In a CGI program HTTP_PROXY is the client's header (CVE-2016-5385).
        let is_cgi = set("REQUEST_METHOD").is_some();
        let http = if is_cgi { set("http_proxy") } else { either("http_proxy") };
        let parse = |value: String| value.parse();
        Self {
            ws: http.or_else(all).map(parse),
            wss: either("https_proxy").or_else(all).map(parse),
            bypass: Bypass::parse(&either("no_proxy").unwrap_or_default()),
        }
    }

    pub(super) fn choose(&self, uri: &Uri) -> Result<Option<&ProxyUri>, ProxyError> {
        let proxy = match uri.scheme() {
            Scheme::Ws => &self.ws,
            Scheme::Wss => &self.wss,
        };
        match proxy {
            Some(proxy) if !self.bypass.contains(uri.host(), uri.port()) => {
                proxy.as_ref().map(Some).map_err(|error| *error)
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<Result<ProxyUri, ProxyError>>| match proxy {
            None => "none".into(),
            Some(Ok(proxy)) => proxy.to_string(),
            Some(Err(error)) => error.to_string(),
        };
        write!(f, "Proxy(from the environment: ws {}, wss {})", shown(&self.ws), shown(&self.wss))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_variables() {
        const P: &str = "http://p:80";
        const Q: &str = "http://q:80";
        const H: &str = "ws://h/";
        const HS: &str = "wss://h/";
        // variables, URI, proxy
        #[expect(clippy::type_complexity, reason = "a table")]
        let rows: &[(&[(&str, &str)], &str, Option<&str>)] = &[
            (&[], H, None),
            (&[("http_proxy", "p")], H, Some(P)),
            (&[("http_proxy", "p")], HS, None),
            (&[("https_proxy", "p")], HS, Some(P)),
            (&[("https_proxy", "p")], H, None),
            (&[("HTTPS_PROXY", "p")], HS, Some(P)),
            (&[("HTTP_PROXY", "p")], H, Some(P)),
            (&[("HTTP_PROXY", "p"), ("http_proxy", "q")], H, Some(Q)),
            (&[("HTTP_PROXY", "p"), ("http_proxy", " ")], H, Some(P)),
            (&[("HTTP_PROXY", "p"), ("REQUEST_METHOD", "GET")], H, None),
            (&[("http_proxy", "p"), ("REQUEST_METHOD", "GET")], H, Some(P)),
            (&[("all_proxy", "p")], H, Some(P)),
            (&[("ALL_PROXY", "p"), ("https_proxy", "q")], HS, Some(Q)),
            (&[("ALL_PROXY", "p"), ("https_proxy", "q")], H, Some(P)),
            (&[("all_proxy", "p"), ("no_proxy", "h")], H, None),
            (&[("all_proxy", "p"), ("NO_PROXY", "h:81")], H, Some(P)),
            (&[("all_proxy", "p"), ("NO_PROXY", "h:443")], HS, None),
            (&[("all_proxy", "p")], "ws://localhost/", None),
            (&[("all_proxy", "p")], "ws://[::1]/", None),
        ];
        for (variables, uri, proxy) in rows {
            let environment = Environment::read(|name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| String::from(*value))
            });
            let chosen = environment.choose(&uri.parse().unwrap()).unwrap();
            let chosen = chosen.map(ToString::to_string);
            assert_eq!(chosen.as_deref(), *proxy, "{variables:?} {uri}");
        }
    }

    #[test]
    fn c10_secrets_are_not_shown_and_errors_wait() {
        let environment = Environment::read(|name| match name {
            "http_proxy" => Some("http://user:secret@p:1".into()),
            "https_proxy" => Some("gopher://user:secret@p".into()),
            _ => None,
        });
        let shown = format!("{environment:?}");
        assert!(shown.contains("http://p:1") && !shown.contains("secret"), "{shown}");
        assert!(environment.choose(&"ws://h/".parse().unwrap()).is_ok());
        assert!(environment.choose(&"wss://localhost/".parse().unwrap()).is_ok());
        let error = environment.choose(&"wss://h/".parse().unwrap()).err();
        assert_eq!(error, Some(ProxyError::Scheme));
    }
}
