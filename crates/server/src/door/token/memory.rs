//! [`Memory`]: tokens that were verified, so that they need not be again.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tidewire_hub::Seed;

use super::{refused::TokenRefused, rules::Good};
use crate::door::generations::Generations;

/// By what a token is remembered. Not by anything in it: two tokens with one `kid` and `sub` are two.
type Digest = [u8; SHA256_OUTPUT_LEN];

/// Tokens of one kind, by their digests. Only good ones: strangers would push friends out with bad ones.
#[derive(Debug)]
pub(super) struct Memory<T> {
    tokens: Generations<Digest, Good<T>>,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl<T> Memory<T> {
    pub(super) fn new(count_max: usize, seed: Seed) -> Self {
        Self { tokens: Generations::new(count_max, seed), hits: 0, misses: 0 }
    }

    /// What a token says, if it is good at this time: as remembered, or else as `verify` finds.
    pub(super) fn read(
        &mut self,
        token: &str,
        unix: u64,
        verify: impl FnOnce() -> Result<Good<T>, TokenRefused>,
    ) -> Result<&T, TokenRefused> {
        let mut key = Digest::default();
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        match self.tokens.touch(key).map(|good| good.at(unix).err()) {
            Some(None) => self.hits += 1,
            Some(Some(why)) => {
                self.tokens.remove(&key);
                return Err(why);
            }
            None => {
                self.misses += 1;
                let good = verify()?;
                good.at(unix)?;
                self.tokens.insert(key, good);
            }
        }
        // It stands there: `touch` and `insert` have put it among the young.
        self.tokens.touch(key).ok_or(TokenRefused::Expired)?.at(unix)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}
