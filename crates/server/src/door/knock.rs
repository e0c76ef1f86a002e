//! [`Door`]: all of it together, for a request that wants to come in.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Request, header::HOST};
use tidewire::proto::uri::{Authority, Scheme};
use tidewire_hub::{Credentials, Seed, Timestamp, UserId};

use super::{
    address::AddressKey,
    bucket::Pace,
    now::Now,
    origin::{AllowedOrigins, Asked, Page},
    paces::Paces,
    places::{Full, Place, PlaceLimits, Places},
    presented::{Presented, TokenPlaces},
    proxies::{Client, TrustedProxies},
    refusal::{Refusal, Refusals},
    secret::Secret,
    tickets::Tickets,
    token::{TokenRules, TokenVerifier},
    users::{UserLimits, UserPlace, Users},
};

/// What the door goes by.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct DoorRules {
    /// Which pages may use us.
    pub origins: AllowedOrigins,
    /// Who may tell of others.
    pub proxies: TrustedProxies,
    /// Where tokens may stand.
    pub places: TokenPlaces,
    /// Which connection tokens are good.
    pub tokens: Arc<TokenRules>,
    /// Which subscription tokens are good.
    pub subscription_tokens: Arc<TokenRules>,
    /// What may come how often, and how much of it.
    pub limits: DoorLimits,
}

/// How many may come, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct DoorLimits {
    /// Requests at the door by one address.
    pub handshakes_per_address: Pace,
    /// Addresses whose pace is remembered.
    pub address_count_max: usize,
    /// How many connections there may be.
    pub connections: PlaceLimits,
    /// What one user may have.
    pub user: UserLimits,
    /// Tickets that may be out.
    pub ticket_count_max: usize,
}

impl Default for DoorLimits {
    /// An office of a thousand that comes back at once is let in within half a minute.
    fn default() -> Self {
        Self {
            handshakes_per_address: Pace::new(20, 500),
            address_count_max: 64 << 10,
            connections: PlaceLimits::default(),
            user: UserLimits::default(),
            ticket_count_max: 10_000,
        }
    }
}

/// The door, shared by all threads.
#[derive(Debug)]
pub struct Door {
    rules: DoorRules,
    paces: Mutex<Paces<AddressKey>>,
    places: Places,
    tickets: Tickets,
    /// Several, so that threads seldom wait for each other; each token always meets the same one, which may
    /// remember it.
    verifiers: Box<[Mutex<TokenVerifier>]>,
    refusals: Refusals,
}

/// Who came in, or at least as far as the door.
#[derive(Debug)]
#[non_exhaustive]
pub struct Visitor {
    /// Where it comes from, behind trusted proxies.
    pub address: IpAddr,
    /// How it speaks to the first of us, where that is known.
    pub scheme: Option<Scheme>,
    /// The page that it is on, and what that is to be told.
    pub page: Page,
    /// Who it is, if it has shown a token or a ticket.
    pub credentials: Option<Credentials>,
    /// Whether it was a ticket. There is none for a ticket, or one would go on for ever.
    by_ticket: bool,
}

/// A request that is not let in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The page that it came from, which has to be told so that it can read the answer; `None` where that
    /// is why it is refused, or was not looked at.
    pub page: Option<Page>,
}

impl Door {
    /// A door for so many threads.
    pub fn new(rules: DoorRules, thread_count: usize, seed: Seed) -> Self {
        let limits = rules.limits;
        let verifier = || Mutex::new(rules.verifier(seed));
        let paces = Paces::new(limits.handshakes_per_address, limits.address_count_max, seed);
        Self {
            paces: Mutex::new(paces),
            places: Places::new(limits.connections, Users::new(limits.user, seed), seed),
            tickets: Tickets::new(limits.ticket_count_max, seed),
            verifiers: (0..thread_count.max(1)).map(|_| verifier()).collect(),
            refusals: Refusals::default(),
            rules,
        }
    }

    /// Looks at a request: how often its address comes, its page, its token; in this order, so that what
    /// costs most is done last and for the fewest. The token is then not in the request any more.
    ///
    /// `tls` says whether TLS ends here.
    ///
    /// # Errors
    /// Why it is not let in. It is counted already.
    pub fn knock<B>(
        &self,
        now: Now,
        peer: IpAddr,
        tls: bool,
        request: &mut Request<B>,
    ) -> Result<Visitor, Refused> {
        self.counted(self.look(now, peer, tls, request))
    }

    /// Looks at a request of somebody who is in already, and has shown who it is: only its page counts, since
    /// browsers send such requests for strangers' pages too.
    ///
    /// # Errors
    /// Why it is not heard. It is counted already.
    pub fn recognize<B>(
        &self,
        peer: IpAddr,
        tls: bool,
        request: &Request<B>,
    ) -> Result<Page, Refused> {
        let client = self.rules.proxies.client(peer, tls, request.headers());
        let page = self.page(&client, request);
        self.counted(page.map_err(|refusal| Refused { refusal, page: None }))
    }

    /// A place for who stays: to be kept for as long as the connection lasts.
    ///
    /// # Errors
    /// If there is none. It is counted already.
    pub fn enter(&self, visitor: &Visitor) -> Result<Place, Refused> {
        let full = |full| Refused::full(full, &visitor.page);
        self.counted(self.places.enter(visitor.address).map_err(full))
    }

    /// A place among those of a user, once that is known: to be kept for as long as the session lasts.
    ///
    /// # Errors
    /// If there is none. It is counted already.
    pub fn enter_user(&self, user: &UserId) -> Result<UserPlace, Full> {
        self.places.enter_user(user).inspect_err(|full| self.refusals.count(&Refusal::Full(*full)))
    }

    /// Those who have said who they are.
    pub fn users(&self) -> &Users {
        self.places.users()
    }

    /// A ticket for a visitor who has shown a token: for `?ticket=`, once.
    ///
    /// # Errors
    /// If it has shown none, or there are too many tickets. It is counted already.
    pub fn ticket(&self, now: Timestamp, visitor: &Visitor) -> Result<Secret, Refused> {
        let by_token = visitor.credentials.clone().filter(|_| !visitor.by_ticket);
        let ticket = match by_token {
            Some(credentials) => self.tickets.issue(now, credentials).map_err(Refusal::NoTicket),
            None => Err(Refusal::Nobody),
        };
        let page = Some(visitor.page.clone());
        self.counted(ticket.map_err(|refusal| Refused { refusal, page }))
    }

    /// What was refused, for metrics.
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Tokens shown at the door that were remembered, and those that had to be verified.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        let each = self.verifiers.iter().map(|verifier| {
            verifier.lock().unwrap_or_else(PoisonError::into_inner).hits_and_misses()
        });
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> u32 {
        self.places.count()
    }

    fn look<B>(
        &self,
        now: Now,
        peer: IpAddr,
        tls: bool,
        request: &mut Request<B>,
    ) -> Result<Visitor, Refused> {
        let client = self.rules.proxies.client(peer, tls, request.headers());
        let page = self.page(&client, request);
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = paces.take(now.hub, &client.address.into(), 1);
        drop(paces);
        // Strangers' pages use up the pace of their address too, but only ours may read that it did.
        if let Err(fast) = taken {
            return Err(Refused { refusal: Refusal::TooFast(fast), page: page.ok() });
        }
        let page = page.map_err(|refusal| Refused { refusal, page: None })?;
        let presented = Presented::take(request, &self.rules.places, page.is_trusted());
        let presented = presented.map_err(Refusal::Presented);
        let by_ticket = matches!(presented, Ok(Some(Presented::Ticket(_))));
        match presented.and_then(|presented| self.credentials(now, presented)) {
            Ok(credentials) => {
                let Client { address, scheme } = client;
                Ok(Visitor { address, scheme, page, credentials, by_ticket })
            }
            Err(refusal) => Err(Refused { refusal, page: Some(page) }),
        }
    }

    fn page<B>(&self, client: &Client, request: &Request<B>) -> Result<Page, Refusal> {
        let host = host(request).ok_or(Refusal::Host)?;
        let asked = Asked { headers: request.headers(), host: &host, scheme: client.scheme };
        self.rules.origins.check(asked).map_err(Refusal::Origin)
    }

    fn credentials(
        &self,
        now: Now,
        presented: Option<Presented>,
    ) -> Result<Option<Credentials>, Refusal> {
        match presented {
            None => Ok(None),
            Some(Presented::Ticket(ticket)) => {
                let credentials = self.tickets.redeem(now.hub, ticket.expose());
                credentials.map(Some).ok_or(Refusal::Ticket)
            }
            Some(Presented::Token(token)) => {
                let token = token.expose();
                let mut verifier =
                    self.verifier_of(token).lock().unwrap_or_else(PoisonError::into_inner);
                verifier.set_now(now);
                verifier.read_connection(token).map(Some).map_err(Refusal::Token)
            }
        }
    }

    /// By the end of its signature, which is as good as random.
    #[expect(
        clippy::indexing_slicing,
        reason = "there is one at least, and the rest is below that"
    )]
    fn verifier_of(&self, token: &str) -> &Mutex<TokenVerifier> {
        let tail = token.bytes().rev().take(8).fold(0, |sum, byte| sum + usize::from(byte));
        &self.verifiers[tail % self.verifiers.len()]
    }

    fn counted<T>(&self, result: Result<T, Refused>) -> Result<T, Refused> {
        result.inspect_err(|refused| self.refusals.count(&refused.refusal))
    }
}

impl Refused {
    /// There is no place for a visitor from this page.
    pub fn full(full: Full, page: &Page) -> Self {
        Self { refusal: Refusal::Full(full), page: Some(page.clone()) }
    }
}

impl DoorRules {
    /// A verifier for a thread of its own.
    pub fn verifier(&self, seed: Seed) -> TokenVerifier {
        let (tokens, others) = (Arc::clone(&self.tokens), Arc::clone(&self.subscription_tokens));
        TokenVerifier::new(tokens, others, seed)
    }
}

/// The host that a request was sent to: its target's, or else that of its one `Host` (RFC 9112 §3.2).
fn host<B>(request: &Request<B>) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return authority.as_str().parse().ok();
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    host.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::door::token::{HmacAlgorithm, Key, SigningKey};

    const SECRET: &str = "a secret of more than thirty-two bytes";

    fn door(limits: DoorLimits) -> Door {
        let key = Key::hmac(HmacAlgorithm::Hs256, &Secret::new(SECRET)).unwrap();
        let tokens = Arc::new(TokenRules::new(vec![key]).unwrap());
        let rules = DoorRules {
            origins: AllowedOrigins::Same,
            proxies: TrustedProxies::default(),
            places: TokenPlaces { cookie: Some("auth".to_owned()), query: false },
            subscription_tokens: Arc::clone(&tokens),
            tokens,
            limits,
        };
        Door::new(rules, 2, Seed::new([1, 2]))
    }

    fn token(user: &str) -> String {
        let key = SigningKey::hmac(HmacAlgorithm::Hs256, &Secret::new(SECRET)).unwrap();
        key.sign(&json!({"sub": user})).unwrap()
    }

    fn at(seconds: u64) -> Now {
        Now {
            unix: 1_800_000_000_000 + seconds * 1000,
            hub: Timestamp::from_millis(seconds * 1000),
        }
    }

    fn knock(door: &Door, target: &str, headers: &[(&str, &str)]) -> Result<Visitor, Refused> {
        let mut request = Request::builder().uri(target).header("host", "chat.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        door.knock(at(1), [192, 0, 2, 1].into(), false, &mut request.body(()).unwrap())
    }

    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<Option<&'a str>, &'a str>);

    #[test]
    fn s10_who_comes_in_as_whom() {
        let (ann, ours) = (token("ann"), ("origin", "https://chat.example.com"));
        let (bearer, cookie) = (format!("Bearer {ann}"), format!("auth={ann}"));
        let (bearer, cookie) = (("authorization", &*bearer), ("cookie", &*cookie));
        let evil = ("origin", "https://evil.org");
        let cases: &[Case<'_>] = &[
            ("nobody", &[], Ok(None)),
            ("a token", &[bearer], Ok(Some("ann"))),
            ("a cookie of our page's", &[ours, cookie], Ok(Some("ann"))),
            ("S10 a cookie of a stranger's page", &[evil, cookie], Err("origin")),
            ("S10 even with a token", &[evil, bearer], Err("origin")),
            ("S10 an image", &[("sec-fetch-site", "cross-site"), cookie], Err("origin")),
            ("a token that is none", &[("authorization", "Bearer x")], Err("token")),
            ("no token at all", &[("authorization", "Bearer é")], Err("token_malformed")),
            (
                "two tokens",
                &[bearer, ("sec-websocket-protocol", "Bearer x")],
                Err("token_conflict"),
            ),
            ("two hosts", &[("host", "b")], Err("host")),
        ];
        let door = door(DoorLimits::default());
        for (rule, headers, expected) in cases {
            let visitor = knock(&door, "/connection/websocket", headers);
            let who =
                visitor.map(|visitor| visitor.credentials.map(|credentials| credentials.user));
            match (who, expected) {
                (Ok(user), Ok(expected)) => {
                    assert_eq!(user.as_ref().map(UserId::as_str), *expected, "{rule}");
                }
                (Err(refused), Err(expected)) => {
                    assert_eq!(refused.refusal.name(), *expected, "{rule}");
                    let early = ["origin", "host"].contains(expected);
                    assert_eq!(refused.page.is_none(), early, "{rule}");
                }
                (who, expected) => panic!("{rule}: {who:?} {expected:?}"),
            }
        }
        let origins = door.refusals().all().find(|(name, _)| *name == "origin");
        assert_eq!(origins, Some(("origin", 3)));
    }

    #[test]
    fn s11_a_ticket_for_a_token() {
        let door = door(DoorLimits::default());
        let bearer = format!("Bearer {}", token("ann"));
        let by_token = knock(&door, "/connection/ticket", &[("authorization", &bearer)]).unwrap();
        let ticket = door.ticket(at(1).hub, &by_token).unwrap();
        let target = format!("/connection/sse?ticket={}", ticket.expose());
        let visitor = knock(&door, &target, &[]).unwrap();
        assert_eq!(visitor.credentials.unwrap().user.as_str(), "ann");
        assert_eq!(knock(&door, &target, &[]).unwrap_err().refusal, Refusal::Ticket);
        let nobody = knock(&door, "/connection/ticket", &[]).unwrap();
        assert_eq!(door.ticket(at(1).hub, &nobody).unwrap_err().refusal, Refusal::Nobody);
        // A ticket that was overheard would go on for ever.
        let ticket = door.ticket(at(1).hub, &by_token).unwrap();
        let target = format!("/connection/ticket?ticket={}", ticket.expose());
        let by_ticket = knock(&door, &target, &[]).unwrap();
        assert_eq!(door.ticket(at(1).hub, &by_ticket).unwrap_err().refusal, Refusal::Nobody);
        let target = format!("/connection/sse?token={}", token("ann"));
        assert_eq!(knock(&door, &target, &[]).unwrap_err().refusal.name(), "token_in_query");
    }

    #[test]
    fn s20_handshakes_at_and_beyond() {
        let pace = Pace::new(1, 3);
        let door = door(DoorLimits { handshakes_per_address: pace, ..DoorLimits::default() });
        for _ in 0..3 {
            knock(&door, "/", &[]).unwrap();
        }
        let refused = knock(&door, "/", &[]).unwrap_err();
        assert_eq!((refused.refusal.name(), refused.refusal.retry_after()), ("too_fast", Some(1)));
        // Somebody else is not held up.
        let mut request = Request::builder().uri("/").header("host", "a").body(()).unwrap();
        door.knock(at(1), [192, 0, 2, 2].into(), false, &mut request).unwrap();
    }

    #[test]
    fn s20_places_at_and_beyond() {
        let connections =
            PlaceLimits { connection_count_per_address_max: 1, ..PlaceLimits::default() };
        let door = door(DoorLimits { connections, ..DoorLimits::default() });
        let visitor = knock(&door, "/", &[]).unwrap();
        let place = door.enter(&visitor).unwrap();
        assert_eq!(door.connection_count(), 1);
        let refused = door.enter(&visitor).unwrap_err();
        assert_eq!(refused.refusal.name(), "address_full");
        drop(place);
        let _place = door.enter(&visitor).unwrap();
        let user = UserId::new("ann");
        let places: Vec<_> = (0..100).map(|_| door.enter_user(&user).unwrap()).collect();
        assert_eq!(door.enter_user(&user).unwrap_err(), Full::User);
        drop(places);
        let counted = door.refusals().all().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        assert_eq!(counted, [("address_full", 1), ("user_full", 1)]);
    }

    #[test]
    fn tokens_meet_the_verifier_that_remembers_them() {
        let door = door(DoorLimits::default());
        let bearer = format!("Bearer {}", token("ann"));
        for _ in 0..10 {
            knock(&door, "/", &[("authorization", &bearer)]).unwrap();
        }
        let (hits, misses) = door.verifiers.iter().fold((0, 0), |(hits, misses), verifier| {
            let (more, others) = verifier.lock().unwrap().hits_and_misses();
            (hits + more, misses + others)
        });
        assert_eq!((hits, misses), (9, 1));
    }
}
