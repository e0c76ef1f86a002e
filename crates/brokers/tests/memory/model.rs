//! A partition against a model that walks over everything and keeps what it likes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tidewire_brokers::{conformance::Subject, memory::Limits};
use tidewire_hub::{
    ChannelName, ClientId, Data, Epoch, HistoryFilter, Member, Position, Publication, UserId,
    broker::{Answer, Ask, Attendance, Draft, Event, Failure, Retention, Version},
};

use crate::subject::{Memory, shard};

const IDEMPOTENCY_AGE_MAX: u64 = 700;

#[derive(Debug, Clone)]
enum Step {
    Publish { retention: Option<(u32, u64, u64)>, key: Option<u8>, version: Option<(u64, u8)> },
    Read { since: Option<(Whose, u64)>, limit: Option<u32>, reverse: bool },
    RemoveHistory,
    Subscribe,
    Unsubscribe,
    Enter { who: u8, present: bool, announced: bool },
    Leave { who: u8, present: bool, announced: bool },
    Presence,
    Pass { millis: u64, ticks: bool },
}

/// Whose epoch a position has.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Current,
    Former,
    Nobodys,
}

fn step() -> impl Strategy<Value = Step> {
    let retention = prop::option::weighted(
        0.9,
        (
            0..6_u32,
            prop::sample::select(vec![0, 100, 1_000]),
            prop::sample::select(vec![0, 500, 5_000]),
        ),
    );
    let version = prop::option::weighted(0.2, (0..4_u64, 0..2_u8));
    let whose =
        prop_oneof![6 => Just(Whose::Current), 1 => Just(Whose::Former), 1 => Just(Whose::Nobodys)];
    let since = prop::option::of((whose, 0..8_u64));
    prop_oneof![
        8 => (retention, prop::option::weighted(0.3, 0..4_u8), version)
            .prop_map(|(retention, key, version)| Step::Publish { retention, key, version }),
        8 => (since, prop::option::weighted(0.3, 0..4_u32), any::<bool>())
            .prop_map(|(since, limit, reverse)| Step::Read { since, limit, reverse }),
        1 => Just(Step::RemoveHistory),
        2 => Just(Step::Subscribe),
        2 => Just(Step::Unsubscribe),
        3 => (0..24_u8, any::<bool>(), any::<bool>())
            .prop_map(|(who, present, announced)| Step::Enter { who, present, announced }),
        3 => (0..24_u8, any::<bool>(), any::<bool>())
            .prop_map(|(who, present, announced)| Step::Leave { who, present, announced }),
        2 => Just(Step::Presence),
        3 => (prop::sample::select(vec![1, 50, 100, 101, 400, 700, 2_000]), any::<bool>())
            .prop_map(|(millis, ticks)| Step::Pass { millis, ticks }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever is asked, and whenever a tick comes, answers and events are the model's.
    #[test]
    fn it_does_as_the_model_does(steps in prop::collection::vec((0..3_usize, 0..3_usize, step()), 1..120)) {
        let limits = Limits {
            idempotency_age_max: Duration::from_millis(IDEMPOTENCY_AGE_MAX),
            ..Limits::default()
        };
        let mut memory = Memory::new(limits);
        let mut model = Model::default();
        for (n, (of, channel, step)) in steps.into_iter().enumerate() {
            let channel = ChannelName::new(&format!("c{channel}")).unwrap();
            if let Step::Pass { millis, ticks } = step {
                model.now += millis;
                memory.pass_untold(Duration::from_millis(millis));
                if ticks {
                    memory.tick();
                }
                continue;
            }
            let ask = model.ask(&channel, n, &step);
            let seen = memory.ask(shard(of), &channel, ask.clone());
            let promised = model.answer(of, &channel, &ask, &seen);
            prop_assert_eq!(&seen, &promised, "step {}: {:?}", n, step);
            for of in 0..3 {
                let seen = memory.events(shard(of), &channel, 0).iter().map(brief).collect::<Vec<_>>();
                let promised = model.events.remove(&of).unwrap_or_default();
                prop_assert_eq!(seen, promised, "step {}: {:?}, shard {}", n, step, of);
            }
        }
        // When everybody has gone and all is forgotten, nothing is left.
        for of in 0..3 {
            for name in ["c0", "c1", "c2"] {
                let channel = ChannelName::new(name).unwrap();
                memory.ask(shard(of), &channel, Ask::Unsubscribe).unwrap();
                for who in 0..24 {
                    memory.ask(shard(of), &channel, Ask::Leave(attendance(who, true, false))).unwrap();
                }
            }
        }
        memory.pass(Duration::from_secs(60));
        prop_assert_eq!(memory.partition.stats(), tidewire_brokers::memory::Stats::default());
    }
}

#[derive(Debug, Default)]
struct Model {
    now: u64,
    channels: BTreeMap<ChannelName, Known>,
    /// Epochs of streams that are over.
    former: BTreeMap<ChannelName, Vec<Epoch>>,
    keys: Vec<(u64, ChannelName, String, Option<Position>)>,
    events: BTreeMap<usize, Vec<String>>,
}

/// A channel that is remembered.
#[derive(Debug, Default)]
struct Known {
    /// As it was told first.
    epoch: Option<Epoch>,
    offset: u64,
    kept: Vec<(u64, u64, Data)>,
    age_max: u64,
    remembered_until: u64,
    version: Option<Version>,
    subscribers: Vec<usize>,
    members: Vec<Attendance>,
}

impl Model {
    /// The step as a request.
    fn ask(&self, channel: &ChannelName, n: usize, step: &Step) -> Ask {
        match step {
            Step::Publish { retention, key, version } => Ask::Publish(Box::new(Draft {
                data: Data::Json(n.to_string().into()),
                publisher: None,
                tags: Box::default(),
                key: None,
                retention: retention.map(|(count_max, age_max, position_age_max)| Retention {
                    count_max,
                    age_max: Duration::from_millis(age_max),
                    position_age_max: Duration::from_millis(position_age_max),
                }),
                idempotency_key: key.map(|key| key.to_string().into()),
                version: version
                    .map(|(number, epoch)| Version { number, epoch: epoch.to_string().into() }),
            })),
            Step::Read { since, limit, reverse } => {
                let current = self.channels.get(channel).and_then(|known| known.epoch.clone());
                let former = self.former.get(channel).and_then(|former| former.first().cloned());
                let since = since.map(|(whose, offset)| Position {
                    epoch: match whose {
                        Whose::Current => current.unwrap_or(Epoch::new("none")),
                        Whose::Former => former.unwrap_or(Epoch::new("none")),
                        Whose::Nobodys => Epoch::new(""),
                    },
                    offset,
                });
                Ask::Read(HistoryFilter { since, limit: *limit, reverse: *reverse })
            }
            Step::RemoveHistory => Ask::RemoveHistory,
            Step::Subscribe => Ask::Subscribe,
            Step::Unsubscribe => Ask::Unsubscribe,
            Step::Enter { who, present, announced } => {
                Ask::Enter(attendance(*who, *present, *announced))
            }
            Step::Leave { who, present, announced } => {
                Ask::Leave(attendance(*who, *present, *announced))
            }
            Step::Presence => Ask::Presence,
            Step::Pass { .. } => unreachable!("nothing is asked"),
        }
    }

    /// Lets go what is too old, everywhere.
    fn expire(&mut self) {
        let now = self.now;
        self.keys.retain(|(at, ..)| at + IDEMPOTENCY_AGE_MAX >= now);
        let former = &mut self.former;
        self.channels.retain(|name, known| {
            known.kept.retain(|(_, at, _)| at + known.age_max >= now);
            let remembers =
                (known.offset > 0 || known.version.is_some()) && known.remembered_until >= now;
            let alive = remembers
                || !known.kept.is_empty()
                || !known.subscribers.is_empty()
                || !known.members.is_empty();
            if !alive && known.offset > 0 {
                former.entry(name.clone()).or_default().extend(known.epoch.take());
            }
            alive
        });
    }

    /// What is promised. Which epoch it is, is the broker's choice, once.
    fn answer(
        &mut self,
        of: usize,
        name: &ChannelName,
        ask: &Ask,
        seen: &Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        self.expire();
        let told = match seen {
            // It may be of a stream that is over.
            _ if self.is_taken(name, ask) => None,
            Ok(
                Answer::Published { position: Some(top), .. }
                | Answer::History { top, .. }
                | Answer::Subscribed { top },
            )
            | Err(Failure::Unrecoverable { top }) => Some(top.epoch.clone()),
            _ => None,
        };
        if let Some(told) = &told {
            let former = self.former.get(name).is_some_and(|former| former.contains(told));
            assert!(!former, "an epoch comes back: {told:?}");
        }
        let mut known = self.channels.remove(name).unwrap_or_default();
        known.epoch = known.epoch.or(told);
        let answer = self.carry_out(of, name, &mut known, ask);
        self.channels.insert(name.clone(), known);
        self.expire();
        answer
    }

    /// Whether something was published under the same key.
    fn is_taken(&self, name: &ChannelName, ask: &Ask) -> bool {
        let Ask::Publish(draft) = ask else { return false };
        let Some(key) = &draft.idempotency_key else { return false };
        self.keys.iter().any(|(_, of, taken, _)| of == name && taken == &**key)
    }

    fn carry_out(
        &mut self,
        of: usize,
        name: &ChannelName,
        known: &mut Known,
        ask: &Ask,
    ) -> Result<Answer, Failure> {
        let epoch = known.epoch.clone().unwrap_or(Epoch::new("untold"));
        let top = Position { epoch, offset: known.offset };
        match ask {
            Ask::Publish(draft) => Ok(self.publish(name, known, draft, top)),
            Ask::Read(filter) => known.read(filter, top),
            Ask::RemoveHistory => {
                known.kept.clear();
                Ok(Answer::Done)
            }
            Ask::Subscribe => {
                known.subscribers.retain(|other| *other != of);
                known.subscribers.push(of);
                Ok(Answer::Subscribed { top })
            }
            Ask::Unsubscribe => {
                known.subscribers.retain(|other| *other != of);
                Ok(Answer::Done)
            }
            Ask::Enter(attendance) | Ask::Leave(attendance) => {
                let comes = matches!(ask, Ask::Enter(_));
                let is = |other: &Attendance| other.member.client == attendance.member.client;
                let was_there = known.members.iter().any(is);
                if attendance.present {
                    match known.members.iter().position(is) {
                        Some(at) if comes => known.members[at] = attendance.clone(),
                        Some(at) => _ = known.members.remove(at),
                        None if comes => known.members.push(attendance.clone()),
                        None => {}
                    }
                }
                if attendance.announced && (!attendance.present || was_there != comes) {
                    let sign = if comes { '+' } else { '-' };
                    let news = format!("{sign}{}", attendance.member.client.as_str());
                    self.tell(known, &news);
                }
                Ok(Answer::Done)
            }
            Ask::Presence => Ok(Answer::Presence(
                known.members.iter().map(|attendance| Arc::clone(&attendance.member)).collect(),
            )),
            Ask::PresenceStats => unreachable!("not asked"),
        }
    }

    fn publish(
        &mut self,
        name: &ChannelName,
        known: &mut Known,
        draft: &Draft,
        top: Position,
    ) -> Answer {
        if let Some(key) = &draft.idempotency_key
            && let Some((.., position)) =
                self.keys.iter().find(|(_, of, taken, _)| of == name && taken == &**key)
        {
            return Answer::Published { position: position.clone(), suppressed: true };
        }
        if let (Some(new), Some(last)) = (&draft.version, &known.version)
            && new.epoch == last.epoch
            && new.number <= last.number
        {
            return Answer::Published { position: draft.retention.map(|_| top), suppressed: true };
        }
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap();
        let mut position = None;
        if let Some(retention) = draft.retention {
            known.offset += 1;
            known.age_max = millis(retention.age_max);
            known.kept.push((known.offset, self.now, draft.data.clone()));
            let excess = known.kept.len().saturating_sub(retention.count_max as usize);
            known.kept.drain(..excess);
            let remembered = millis(retention.position_age_max.max(retention.age_max));
            known.remembered_until = known.remembered_until.max(self.now + remembered);
            position = Some(Position { offset: known.offset, ..top });
        } else if draft.version.is_some() {
            known.remembered_until = known.remembered_until.max(self.now + IDEMPOTENCY_AGE_MAX);
        }
        if draft.version.is_some() {
            known.version.clone_from(&draft.version);
        }
        if let Some(key) = &draft.idempotency_key {
            self.keys.push((self.now, name.clone(), key.to_string(), position.clone()));
        }
        let offset = position.as_ref().map_or(0, |position| position.offset);
        self.tell(known, &format!("{offset} {:?}", draft.data));
        Answer::Published { position, suppressed: false }
    }

    fn tell(&mut self, known: &Known, news: &str) {
        for of in &known.subscribers {
            self.events.entry(*of).or_default().push(news.to_owned());
        }
    }
}

impl Known {
    fn read(&self, filter: &HistoryFilter, top: Position) -> Result<Answer, Failure> {
        let mut found = self.kept.iter().collect::<Vec<_>>();
        if let Some(since) = &filter.since {
            let beginning = since.epoch.as_str().is_empty() && since.offset == 0;
            if since.offset > top.offset || (since.epoch != top.epoch && !beginning) {
                return Err(Failure::Unrecoverable { top });
            }
            if filter.reverse {
                found.retain(|(offset, ..)| *offset < since.offset);
            } else {
                found.retain(|(offset, ..)| *offset > since.offset);
                if found.len() as u64 != top.offset - since.offset {
                    return Err(Failure::Unrecoverable { top });
                }
            }
        }
        if filter.reverse {
            found.reverse();
        }
        found.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
        let publication = |(offset, at, data): &(u64, u64, Data)| Publication {
            offset: *offset,
            data: data.clone(),
            publisher: None,
            tags: Box::default(),
            key: None,
            time: Memory::unix_millis_after(*at),
        };
        let publications = found.into_iter().map(|kept| publication(kept).into()).collect();
        Ok(Answer::History { publications, top })
    }
}

fn attendance(who: u8, present: bool, announced: bool) -> Attendance {
    let member = Member {
        user: UserId::new(&format!("u{}", who % 3)),
        client: ClientId::new(&format!("c{who}")),
        connection_info: None,
        channel_info: None,
    };
    Attendance { member: member.into(), present, announced }
}

fn brief(event: &Event) -> String {
    match event {
        Event::Published { publication, .. } => {
            format!("{} {:?}", publication.offset, publication.data)
        }
        Event::Joined { member, .. } => format!("+{}", member.client.as_str()),
        Event::Left { member, .. } => format!("-{}", member.client.as_str()),
        Event::Top { .. } | Event::Lost => format!("{event:?}"),
    }
}
