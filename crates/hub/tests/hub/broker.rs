//! [`Broker`]: streams in memory, which answer when they are told to, and lie where they are told to.

use std::{collections::BTreeMap, sync::Arc};

use tidewire_hub::{
    ChannelName, Epoch, HistoryFilter, Member, Position, Publication,
    broker::{Answer, Ask, Draft, Event, Failure, Request, Response},
};

/// Something on its way to the shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mail {
    Response(Response),
    Event(Event),
}

/// One broker for one shard.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) channels: BTreeMap<ChannelName, Channel>,
    /// So many requests fail before one does not.
    pub(crate) failure_count: u32,
    /// Requests that were taken, for tests that want to know.
    pub(crate) taken: Vec<Ask>,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) epoch: Epoch,
    pub(crate) top: u64,
    pub(crate) kept: Vec<Arc<Publication>>,
    pub(crate) subscribed: bool,
    pub(crate) present: Vec<Arc<Member>>,
}

impl Broker {
    pub(crate) fn channel(&mut self, name: &str) -> &mut Channel {
        self.channels.entry(ChannelName::new(name).unwrap()).or_insert_with(|| Channel {
            epoch: Epoch::new("first"),
            top: 0,
            kept: Vec::new(),
            subscribed: false,
            present: Vec::new(),
        })
    }

    /// Takes a request, and sends what comes of it.
    pub(crate) fn serve(&mut self, request: Request, mail: &mut Vec<Mail>) {
        self.taken.push(request.ask.clone());
        let Request { id, channel: name, ask } = request;
        if self.failure_count > 0 {
            self.failure_count -= 1;
            return mail.push(Mail::Response(Response { id, answer: Err(Failure::Unavailable) }));
        }
        let channel = self.channel(name.as_str());
        let answer = match ask {
            Ask::Publish(draft) => Ok(channel.publish(&name, *draft, mail)),
            Ask::Read(filter) => channel.read(&filter),
            Ask::RemoveHistory => {
                channel.kept.clear();
                Ok(Answer::Done)
            }
            Ask::Subscribe => {
                channel.subscribed = true;
                Ok(Answer::Subscribed { top: channel.position() })
            }
            Ask::Unsubscribe => {
                channel.subscribed = false;
                Ok(Answer::Done)
            }
            Ask::Enter(attendance) => {
                let member = attendance.member;
                if attendance.present
                    && !channel.present.iter().any(|one| one.client == member.client)
                {
                    channel.present.push(Arc::clone(&member));
                }
                if attendance.announced && channel.subscribed {
                    mail.push(Mail::Event(Event::Joined { channel: name, member }));
                }
                Ok(Answer::Done)
            }
            Ask::Leave(attendance) => {
                let member = attendance.member;
                channel.present.retain(|one| one.client != member.client);
                if attendance.announced && channel.subscribed {
                    mail.push(Mail::Event(Event::Left { channel: name, member }));
                }
                Ok(Answer::Done)
            }
            Ask::Presence => Ok(Answer::Presence(channel.present.clone())),
            Ask::PresenceStats => {
                let client_count = u32::try_from(channel.present.len()).unwrap();
                Ok(Answer::PresenceStats { client_count, user_count: client_count })
            }
        };
        mail.push(Mail::Response(Response { id, answer }));
    }

    /// Somebody elsewhere publishes.
    pub(crate) fn publish(&mut self, name: &str, text: &str, mail: &mut Vec<Mail>) {
        let draft = Draft {
            data: crate::world::json(text),
            publisher: None,
            tags: Box::default(),
            key: None,
            retention: crate::world::open_options().history,
            idempotency_key: None,
            version: None,
        };
        let channel = ChannelName::new(name).unwrap();
        self.channel(name).publish(&channel, draft, mail);
    }
}

impl Channel {
    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), offset: self.top }
    }

    fn publish(&mut self, name: &ChannelName, draft: Draft, mail: &mut Vec<Mail>) -> Answer {
        let retention = draft.retention;
        self.top += u64::from(retention.is_some());
        let publication = Arc::new(Publication {
            offset: retention.map_or(0, |_| self.top),
            data: draft.data,
            publisher: draft.publisher,
            tags: draft.tags,
            key: draft.key,
            time: 0,
        });
        if let Some(retention) = retention {
            self.kept.push(Arc::clone(&publication));
            let excess = self.kept.len().saturating_sub(retention.count_max as usize);
            self.kept.drain(..excess);
        }
        if self.subscribed {
            let epoch = retention.map(|_| self.epoch.clone());
            mail.push(Mail::Event(Event::Published { channel: name.clone(), epoch, publication }));
        }
        Answer::Published { position: retention.map(|_| self.position()), suppressed: false }
    }

    fn read(&self, filter: &HistoryFilter) -> Result<Answer, Failure> {
        let top = self.position();
        let mut publications = self.kept.clone();
        if let Some(since) = &filter.since {
            let oldest = self.kept.first().map_or(self.top + 1, |first| first.offset);
            let reaches = filter.reverse || since.offset + 1 >= oldest;
            if since.epoch != self.epoch || since.offset > self.top || !reaches {
                return Err(Failure::Unrecoverable { top });
            }
            publications.retain(|one| {
                (one.offset > since.offset) != filter.reverse && one.offset != since.offset
            });
        }
        if filter.reverse {
            publications.reverse();
        }
        publications.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(Answer::History { publications, top })
    }
}
