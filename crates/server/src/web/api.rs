//! The API for the application, in the shapes of Centrifugo's HTTP API.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytestring::ByteString;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tidewire_dialects::api::{self, ApiLimits, BadCall, Call, Message, Method, NodeInfo, Outcome};
use tidewire_hub::{
    ChannelName, ChannelOptions, ClientId, Error, Farewell, Position, ShardStats, Whom,
    broker::{Answer, Ask, Draft, Failure},
};
use wildmatch::WildMatch;

use super::{
    answer::{sentence, whole},
    body::Body,
    calls::{Calls, Told},
    stream::body,
};
use crate::{
    door::{Secret, Users},
    node::{NodeHandle, StreamName},
};

/// Channels that are listed; where there are more, the pattern has to say which.
const CHANNEL_COUNT_MAX: usize = 10_000;

/// The application's way in. Without a key there is none.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) node: NodeHandle,
    /// Those who are on the node.
    pub(crate) users: Users,
    pub(crate) calls: Arc<Calls>,
    /// What tells this run of the program from others.
    pub(crate) run: String,
    /// Each of them opens it.
    pub(crate) keys: Vec<Secret>,
    pub(crate) body_len_max: usize,
    pub(crate) limits: ApiLimits,
}

type Answered = Result<Response<Body>, Response<Body>>;

impl Api {
    /// Answers a request to `/api/…`.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answered {
        if self.keys.is_empty() {
            return Err(sentence(StatusCode::NOT_FOUND, "There is no API here: it has no key."));
        }
        let name = request.uri().path().trim_start_matches("/api/");
        let method = Method::by_name(name);
        if !is_authorized(request.headers(), &self.keys) {
            self.calls.count(method, Told::Refused(Error::Unauthorized));
            let why = "The header X-API-Key is missing, or is not the key.";
            return Err(sentence(StatusCode::UNAUTHORIZED, why));
        }
        let Some(method) = method else {
            self.calls.count(None, Told::Refused(Error::MethodNotFound));
            return Err(sentence(StatusCode::NOT_FOUND, "The API has no such method."));
        };
        if request.method() != HttpMethod::POST {
            return Err(sentence(StatusCode::METHOD_NOT_ALLOWED, "The API takes POST alone."));
        }
        let malformed = || self.calls.count(Some(method), Told::Malformed);
        let body = body(request, self.body_len_max).await.inspect_err(|_| malformed())?;
        let outcome = match Call::of_body(method, &body, &self.limits) {
            Ok(call) => self.carry_out(call).await,
            Err(BadCall::Refused(error)) => Err(error),
            Err(BadCall::Malformed) => {
                malformed();
                return Err(sentence(
                    StatusCode::BAD_REQUEST,
                    "That is not what this method takes.",
                ));
            }
        };
        self.calls.count(Some(method), Told::of(&outcome));
        let mut out = String::new();
        api::response(&mut out, &outcome);
        Ok(whole(StatusCode::OK, "application/json", out))
    }

    async fn carry_out(&self, call: Call) -> Result<Outcome, Error> {
        match call {
            Call::Batch(calls) => {
                let mut outcomes = Vec::with_capacity(calls.len());
                for call in calls {
                    let (method, outcome) = match call {
                        Ok(call) => (Some(call.method()), self.carry_out_one(call).await),
                        Err(error) => (None, Err(error)),
                    };
                    self.calls.count(method, Told::of(&outcome));
                    outcomes.push(
                        outcome.and_then(|outcome| {
                            Ok((method.ok_or(Error::MethodNotFound)?, outcome))
                        }),
                    );
                }
                Ok(Outcome::Batch(outcomes))
            }
            call => self.carry_out_one(call).await,
        }
    }

    async fn carry_out_one(&self, call: Call) -> Result<Outcome, Error> {
        match call {
            Call::Publish { channel, message } => {
                self.publish(&channel, message).await.map(Outcome::Published)
            }
            Call::Broadcast { channels, message } => {
                let mut outcomes = Vec::with_capacity(channels.len());
                for channel in &channels {
                    outcomes.push(self.publish(channel, message.clone()).await);
                }
                Ok(Outcome::Broadcast(outcomes))
            }
            Call::Subscribe(subscribe) => self.subscribe(*subscribe).await,
            Call::Unsubscribe { whom, channel } => self.unsubscribe(whom, channel).await,
            Call::Disconnect { whom, spared, why } => self.disconnect(whom, spared, why).await,
            Call::Presence { channel } => match self.ask(&channel, Ask::Presence).await? {
                Answer::Presence(members) => Ok(Outcome::Presence(members)),
                _ => Err(Error::Internal),
            },
            Call::PresenceStats { channel } => {
                match self.ask(&channel, Ask::PresenceStats).await? {
                    Answer::PresenceStats { client_count, user_count } => {
                        Ok(Outcome::PresenceStats { client_count, user_count })
                    }
                    _ => Err(Error::Internal),
                }
            }
            Call::History(history) => {
                match self.ask(&history.channel, Ask::Read(history.filter)).await? {
                    Answer::History { publications, top } => {
                        Ok(Outcome::History { publications, top })
                    }
                    _ => Err(Error::Internal),
                }
            }
            Call::HistoryRemove { channel } => {
                self.ask(&channel, Ask::RemoveHistory).await?;
                Ok(Outcome::Done)
            }
            Call::Channels { pattern } => self.channels(&pattern).await,
            Call::Info => self.info().await,
            // There is none within another: `carry_out` has taken it apart.
            Call::Batch(_) => Err(Error::BadRequest),
        }
    }

    async fn publish(&self, channel: &str, message: Message) -> Result<Option<Position>, Error> {
        let (channel, options) = self.channel(channel)?;
        let Message { data, tags, key, skip_history, idempotency_key, version } = message;
        let retention = options.history.filter(|_| !skip_history);
        let publisher = None;
        let draft = Draft { data, publisher, tags, key, retention, idempotency_key, version };
        match self
            .node
            .ask(channel, Ask::Publish(Box::new(draft)))
            .await
            .map_err(|failure| error(&failure))?
        {
            Answer::Published { position, .. } => Ok(position),
            _ => Err(Error::Internal),
        }
    }

    async fn subscribe(&self, subscribe: api::Subscribe) -> Result<Outcome, Error> {
        let api::Subscribe { whom, grant, expires_at, recover } = subscribe;
        self.channel(&grant.channel)?;
        let Some(whom) = self.named(whom).await? else { return Ok(Outcome::Done) };
        let left = expires_at.map(left_until);
        let recover = match recover {
            Some((epoch, offset)) => {
                Some(Position::of_client(&epoch, offset).ok_or(Error::UnrecoverablePosition)?)
            }
            None => None,
        };
        self.node
            .on_every_shard(move |shard, now, outside| {
                let mut grant = grant.clone();
                grant.expires_at = left.map(|left| now.saturating_add(left));
                shard.subscribe(now, &whom, &grant, recover.as_ref(), outside)
            })
            .await?
            .into_iter()
            .collect::<Result<(), _>>()?;
        Ok(Outcome::Done)
    }

    async fn unsubscribe(&self, whom: api::Whom, channel: ByteString) -> Result<Outcome, Error> {
        let (channel, _) = self.channel(&channel)?;
        let Some(whom) = self.named(whom).await? else { return Ok(Outcome::Done) };
        self.node
            .on_every_shard(move |shard, now, outside| {
                shard.unsubscribe(now, &whom, &channel, outside);
            })
            .await?;
        Ok(Outcome::Done)
    }

    async fn disconnect(
        &self,
        whom: api::Whom,
        spared: Vec<ClientId>,
        why: Farewell,
    ) -> Result<Outcome, Error> {
        let Some(whom) = self.named(whom).await? else { return Ok(Outcome::Done) };
        let whom = Whom { except: spared, ..whom };
        self.node
            .on_every_shard(move |shard, now, outside| {
                shard.disconnect(now, &whom, why.clone(), outside);
            })
            .await?;
        Ok(Outcome::Done)
    }

    /// Sessions of a user, or of nobody in particular, who has to be named by its client or by the secret of
    /// its session. `None`: there is no such session.
    async fn named(&self, whom: api::Whom) -> Result<Option<Whom>, Error> {
        let api::Whom { user, client, session } = whom;
        let Some(secret) = session else {
            return Ok(Some(Whom { user, client, except: Vec::new() }));
        };
        let Some(name) = StreamName::parse(&secret) else { return Ok(None) };
        let found = self.node.client_of(name).await.map_err(|_| Error::Internal)?;
        // Whoever names it in two ways means a session for which both are true.
        let found = found.filter(|found| client.is_none_or(|client| client == *found));
        Ok(found.map(|found| Whom { user, client: Some(found), except: Vec::new() }))
    }

    /// Channels with subscribers, by name.
    async fn channels(&self, pattern: &str) -> Result<Outcome, Error> {
        let pattern = WildMatch::new(if pattern.is_empty() { "*" } else { pattern });
        let listed = self.node.on_every_shard(move |shard, _, _| {
            let channels = shard.channels().filter(|(name, _)| pattern.matches(name.as_str()));
            let channels = channels.take(CHANNEL_COUNT_MAX + 1);
            channels.map(|(name, count)| (name.clone(), count)).collect::<Vec<_>>()
        });
        let mut all = BTreeMap::<ChannelName, u32>::new();
        for (name, count) in listed.await?.into_iter().flatten() {
            let sum = all.entry(name).or_default();
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        if all.len() > CHANNEL_COUNT_MAX {
            return Err(Error::LimitExceeded);
        }
        Ok(Outcome::Channels(all.into_iter().collect()))
    }

    async fn info(&self) -> Result<Outcome, Error> {
        let stats = self.node.on_every_shard(|shard, _, _| {
            let subscription_count = shard.channels().map(|(_, count)| count).sum::<usize>();
            (shard.stats(), subscription_count)
        });
        let stats = stats.await?;
        let sum = |count: fn(&(ShardStats, usize)) -> usize| {
            stats.iter().map(count).sum::<usize>() as u64
        };
        Ok(Outcome::Info(vec![NodeInfo {
            id: self.run.clone(),
            name: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            client_count: sum(|(stats, _)| stats.session_count),
            // One whose sessions are on several threads is one.
            user_count: self.users.count() as u64,
            channel_count: sum(|(stats, _)| stats.channel_count),
            subscription_count: sum(|(_, subscription_count)| *subscription_count),
            uptime: self.node.uptime(),
        }]))
    }

    async fn ask(&self, channel: &str, ask: Ask) -> Result<Answer, Error> {
        let (channel, _) = self.channel(channel)?;
        self.node.ask(channel, ask).await.map_err(|failure| error(&failure))
    }

    fn channel(&self, name: &str) -> Result<(ChannelName, ChannelOptions), Error> {
        let channel = ChannelName::new(name).map_err(|_| Error::BadRequest)?;
        let options = self.node.hub().namespaces.options(&channel);
        let options = options.ok_or(Error::UnknownChannel)?.as_ref().clone();
        Ok((channel, options))
    }
}

/// By the header `X-API-Key: …`, or `Authorization: apikey …`. Not by the query, which stands in logs.
fn is_authorized(headers: &HeaderMap, keys: &[Secret]) -> bool {
    let plain = headers.get("X-API-Key").map(HeaderValue::as_bytes);
    let scheme =
        headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    let schemed =
        scheme.and_then(|(scheme, key)| scheme.eq_ignore_ascii_case(b"apikey ").then_some(key));
    let given = plain.or(schemed).unwrap_or_default();
    std::str::from_utf8(given).is_ok_and(|given| keys.iter().any(|key| key.is(given)))
}

fn error(failure: &Failure) -> Error {
    match failure {
        Failure::Unrecoverable { .. } => Error::UnrecoverablePosition,
        Failure::Unavailable => Error::Internal,
        Failure::LimitExceeded => Error::LimitExceeded,
    }
}

/// How long until then.
fn left_until(unix_seconds: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(unix_seconds).saturating_sub(now)
}
