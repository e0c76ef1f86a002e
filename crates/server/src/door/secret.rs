//! [`Secret`]: what must not be seen in a log.

use std::{fmt, sync::Arc};

use ring::digest::{SHA256, digest};

/// A key, a token or a password. Its `Debug` shows nothing of it, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `text` out of sight.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The secret itself. Whoever calls this takes care of where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is it, without telling by the time it takes how much of it is right: what is
    /// compared are digests, of which nobody can choose the beginning.
    pub fn is(&self, presented: &str) -> bool {
        digest(&SHA256, self.0.as_bytes()).as_ref()
            == digest(&SHA256, presented.as_bytes()).as_ref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_nothing_of_a_secret_is_shown() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(..) Some(Secret(..))");
    }

    #[test]
    fn it_is_itself_and_nothing_else() {
        let secret = Secret::new("correct horse");
        let cases = [("correct horse", true), ("correct hors", false), ("", false), ("x", false)];
        for (presented, same) in cases {
            assert_eq!(secret.is(presented), same, "{presented:?}");
        }
    }
}
