//! Where a `Location` points, seen from the URI that answered with it (RFC 3986 §5.2).

use alloc::{format, string::String, vec::Vec};

use super::{Scheme, Uri, UriError};

impl Uri {
    /// The URI that `reference` stands for where this one is the base, as in the `Location` of a
    /// redirect (RFC 9110 §10.2.2).
    ///
    /// `http` and `https` mean `ws` and `wss`, a fragment is left out, and so is user info: what
    /// a server sends us are no credentials of ours.
    pub fn resolve(&self, reference: &str) -> Result<Self, UriError> {
        let reference = reference.split('#').next().unwrap_or_default();
        let text = match reference.split_once("://") {
            // A scheme has neither of these; a path or query may contain "://".
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                let scheme = Scheme::from_any(scheme).ok_or(UriError::SchemeUnknown)?;
                format!("{}://{rest}", scheme.as_str())
            }
            _ => {
                let scheme = self.scheme.as_str();
                match reference.strip_prefix("//") {
                    Some(rest) => format!("{scheme}://{rest}"),
                    None => format!("{scheme}://{}{}", self.authority, self.merge(reference)),
                }
            }
        };
        let mut uri: Self = text.parse()?;
        uri.user_info = None;
        Ok(uri)
    }

    /// A path or query in place of ours (§5.2.2, §5.2.3).
    fn merge(&self, reference: &str) -> String {
        let ours = self.resource_name.split('?').next().unwrap_or_default();
        let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
        if reference.is_empty() {
            return self.resource_name.clone();
        }
        if path.is_empty() {
            return format!("{ours}{query}");
        }
        let folder = match ours.rfind('/') {
            Some(slash) if !path.starts_with('/') => ours.get(..=slash).unwrap_or_default(),
            _ => "",
        };
        format!("{}{query}", remove_dot_segments(&format!("{folder}{path}")))
    }

    /// Whether a page on one has the rights of a page on the other (RFC 6454 §5).
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host() == other.host() && self.port() == other.port()
    }
}

/// §5.2.4, for a path that begins with a slash.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn references_by_section() {
        // The base and most rows are RFC 3986 §5.4's.
        let base: Uri = "ws://u:p@a/b/c/d;p?q".parse().unwrap();
        let cases = [
            ("§5.4.1", "g", "ws://a/b/c/g"),
            ("§5.4.1", "./g", "ws://a/b/c/g"),
            ("§5.4.1", "g/", "ws://a/b/c/g/"),
            ("§5.4.1", "/g", "ws://a/g"),
            ("§5.4.1", "//g", "ws://g/"),
            ("§5.4.1", "?y", "ws://a/b/c/d;p?y"),
            ("§5.4.1", "g?y", "ws://a/b/c/g?y"),
            ("§5.4.1", "#s", "ws://a/b/c/d;p?q"),
            ("§5.4.1", "g#s", "ws://a/b/c/g"),
            ("§5.4.1", "g;x=1/./y", "ws://a/b/c/g;x=1/y"),
            ("§5.4.1", "", "ws://a/b/c/d;p?q"),
            ("§5.4.1", ".", "ws://a/b/c/"),
            ("§5.4.1", "..", "ws://a/b/"),
            ("§5.4.1", "../g", "ws://a/b/g"),
            ("§5.4.1", "../..", "ws://a/"),
            ("§5.4.2", "../../../../g", "ws://a/g"),
            ("§5.4.2", "/./g", "ws://a/g"),
            ("§5.4.2", "/../g", "ws://a/g"),
            ("§5.4.2", "g.", "ws://a/b/c/g."),
            ("§5.4.2", "..g", "ws://a/b/c/..g"),
            ("§5.4.2", "g?y/../x", "ws://a/b/c/g?y/../x"),
            ("C9 http is ws", "HTTP://h/x", "ws://h/x"),
            ("C9 https is wss", "https://h:1/x", "wss://h:1/x"),
            ("C9 ws", "ws://h", "ws://h/"),
            ("C9 a URI in a query", "/x?u=http://h/", "ws://a/x?u=http://h/"),
        ];
        for (rule, reference, resolved) in cases {
            let uri = base.resolve(reference).unwrap();
            assert_eq!(uri.to_string(), resolved, "{rule}: {reference}");
            assert_eq!(uri.user_info(), None, "{rule}: {reference}");
        }
        let uri = base.resolve("http://x:y@h/").unwrap();
        assert_eq!((uri.user_info(), uri.to_string().as_str()), (None, "ws://h/"), "C9");
        let ipv6: Uri = "wss://[::1]:9/a".parse().unwrap();
        assert_eq!(ipv6.resolve("b").unwrap().to_string(), "wss://[::1]:9/b");
        let errors = [
            ("ftp://h/", UriError::SchemeUnknown),
            ("http://", UriError::HostMissing),
            ("/a b", UriError::InvalidCharacter { at: 8 }),
        ];
        for (reference, error) in errors {
            assert_eq!(base.resolve(reference).unwrap_err(), error, "{reference}");
        }
    }

    #[test]
    fn c9_origins() {
        let base: Uri = "ws://a/b".parse().unwrap();
        let same = ["ws://A:80/c", "ws://u@a/?d"];
        let other = ["wss://a/b", "ws://a:81/b", "ws://b/b", "wss://a:80/b"];
        assert!(same.iter().all(|uri| base.is_same_origin(&uri.parse().unwrap())));
        assert!(!other.iter().any(|uri| base.is_same_origin(&uri.parse().unwrap())));
    }
}
