//! [`Tickets`]: for clients that cannot set headers, so that no token ends up in a URL.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tidewire_hub::{Credentials, Map, Seed, Timestamp};

use super::secret::Secret;

/// How long a ticket is good for: the time between two requests of one page.
pub const TICKET_WITHIN: Duration = Duration::from_secs(10);

/// Random bytes of a ticket.
const TICKET_LEN: usize = 16;

/// Tickets stand here by their digests: what a lookup compares is then nothing that somebody who tries
/// can choose, so the time that it takes tells nothing.
type Digest = [u8; SHA256_OUTPUT_LEN];

/// Tickets that are out, shared by all threads: good once, for [ten seconds](TICKET_WITHIN), on the node that
/// gave them.
///
/// A URL ends up in logs of proxies, in the history of browsers and in Referer. A ticket in it is worth
/// nothing by then.
#[derive(Debug)]
pub struct Tickets {
    count_max: usize,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    tickets: Map<Digest, (Timestamp, Credentials)>,
    /// In the order in which they end, which is that in which they were given.
    order: VecDeque<(Timestamp, Digest)>,
}

/// There is no ticket to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these two can happen")]
pub enum NoTicket {
    /// As many are out as may be.
    Full,
    /// The operating system has no random numbers.
    NoRandom,
}

impl Tickets {
    /// None is out yet; `count_max` may be at one time.
    pub fn new(count_max: usize, seed: Seed) -> Self {
        let book = Book { tickets: Map::with_hasher(seed), order: VecDeque::new() };
        Self { count_max, book: Mutex::new(book) }
    }

    /// A ticket for who has shown these credentials.
    ///
    /// # Errors
    /// If too many are out.
    pub fn issue(&self, now: Timestamp, credentials: Credentials) -> Result<Secret, NoTicket> {
        let mut random = [0; TICKET_LEN];
        getrandom::fill(&mut random).map_err(|_| NoTicket::NoRandom)?;
        let ticket = URL_SAFE_NO_PAD.encode(random);
        let ends_at = now.saturating_add(TICKET_WITHIN);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget_until(now);
        // The order remembers those that were used, too, for as long as they would have been good.
        if book.order.len() >= self.count_max {
            return Err(NoTicket::Full);
        }
        let key = key(&ticket);
        book.order.push_back((ends_at, key));
        book.tickets.insert(key, (ends_at, credentials));
        Ok(Secret::new(&ticket))
    }

    /// What the ticket was given for, if it is good. It is not any more, then.
    pub fn redeem(&self, now: Timestamp, ticket: &str) -> Option<Credentials> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let (ends_at, credentials) = book.tickets.remove(&key(ticket))?;
        (now < ends_at).then_some(credentials)
    }
}

impl Book {
    fn forget_until(&mut self, now: Timestamp) {
        while let Some((ends_at, key)) = self.order.front()
            && *ends_at <= now
        {
            self.tickets.remove(key);
            self.order.pop_front();
        }
    }
}

impl fmt::Display for NoTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "as many tickets are out as may be (ticket_count_max)",
            Self::NoRandom => "the operating system has no random numbers",
        })
    }
}

impl std::error::Error for NoTicket {}

fn key(ticket: &str) -> Digest {
    let mut key = Digest::default();
    key.copy_from_slice(digest(&SHA256, ticket.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use tidewire_hub::UserId;

    use super::*;

    fn tickets(count_max: usize) -> Tickets {
        Tickets::new(count_max, Seed::new([1, 2]))
    }

    fn ann() -> Credentials {
        Credentials { user: UserId::new("ann"), ..Credentials::default() }
    }

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn s11_a_ticket_is_good_once() {
        let tickets = tickets(10);
        let ticket = tickets.issue(at(0), ann()).unwrap();
        assert_eq!(ticket.expose().len(), 22, "128 bits");
        assert_eq!(tickets.redeem(at(1), "another"), None);
        assert_eq!(tickets.redeem(at(1), ""), None);
        assert_eq!(tickets.redeem(at(1), ticket.expose()), Some(ann()));
        assert_eq!(tickets.redeem(at(1), ticket.expose()), None);
    }

    #[test]
    fn s11_a_ticket_is_good_for_ten_seconds() {
        for (millis, good) in [(0, true), (9_999, true), (10_000, false), (1_000_000, false)] {
            let tickets = tickets(10);
            let ticket = tickets.issue(at(0), ann()).unwrap();
            assert_eq!(tickets.redeem(at(millis), ticket.expose()).is_some(), good, "{millis}");
        }
    }

    #[test]
    fn no_two_are_the_same() {
        let tickets = tickets(1000);
        let issued: std::collections::BTreeSet<_> =
            (0..1000).map(|_| tickets.issue(at(0), ann()).unwrap().expose().to_owned()).collect();
        assert_eq!(issued.len(), 1000);
    }

    #[test]
    fn limits_at_and_beyond() {
        let tickets = tickets(3);
        let first = tickets.issue(at(0), ann()).unwrap();
        tickets.issue(at(5_000), ann()).unwrap();
        tickets.issue(at(5_000), ann()).unwrap();
        assert_eq!(tickets.issue(at(9_999), ann()).unwrap_err(), NoTicket::Full);
        // One that was used makes no room: who has a token could fill memory in turns.
        assert!(tickets.redeem(at(9_999), first.expose()).is_some());
        assert_eq!(tickets.issue(at(9_999), ann()).unwrap_err(), NoTicket::Full);
        tickets.issue(at(10_000), ann()).unwrap();
        let book = tickets.book.lock().unwrap();
        assert_eq!((book.tickets.len(), book.order.len()), (3, 3));
    }
}
