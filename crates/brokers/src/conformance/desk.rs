//! [`Desk`]: what a row says to a broker, in few words.

use std::{fmt::Debug, time::Duration};

use tidewire_hub::{
    ChannelName, ClientId, Data, HistoryFilter, Member, Position, Publication, UserId,
    broker::{Answer, Ask, Attendance, Draft, Event, Failure, Retention},
};

use super::{Subject, Verdict};
use crate::ShardIndex;

/// One row's broker, and its channel.
pub(super) struct Desk<'a> {
    subject: &'a mut dyn Subject,
    pub(super) channel: ChannelName,
}

/// Ten publications, two seconds, and positions for ten.
pub(super) const RETENTION: Retention = Retention {
    count_max: 10,
    age_max: Duration::from_secs(2),
    position_age_max: Duration::from_secs(10),
};

impl<'a> Desk<'a> {
    pub(super) fn new(subject: &'a mut dyn Subject) -> Self {
        let channel = subject.channel("row");
        Self { subject, channel }
    }

    pub(super) fn fresh_channel(&mut self) -> ChannelName {
        self.subject.channel("other")
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.subject.pass(Duration::from_secs(seconds));
    }

    pub(super) fn ask(&mut self, shard: usize, ask: Ask) -> Result<Answer, Failure> {
        self.subject.ask(index(shard), &self.channel, ask)
    }

    pub(super) fn done(&mut self, shard: usize, ask: Ask) -> Verdict {
        same("the answer", &self.ask(shard, ask), &Ok(Answer::Done))
    }

    pub(super) fn events(&mut self, shard: usize, count: usize) -> Vec<Event> {
        self.subject.events(index(shard), &self.channel, count)
    }

    pub(super) fn subscribe(&mut self, shard: usize) -> Result<Position, String> {
        match self.ask(shard, Ask::Subscribe) {
            Ok(Answer::Subscribed { top }) => Ok(top),
            other => Err(format!("subscribing was answered by {other:?}")),
        }
    }

    /// Publishes, and tells what was answered.
    pub(super) fn take(&mut self, draft: Draft) -> Result<(Option<Position>, bool), String> {
        match self.ask(0, Ask::Publish(Box::new(draft))) {
            Ok(Answer::Published { position, suppressed }) => Ok((position, suppressed)),
            other => Err(format!("publishing was answered by {other:?}")),
        }
    }

    /// Publishes to the stream.
    pub(super) fn publish(&mut self, text: &str) -> Result<Position, String> {
        match self.take(draft(text))? {
            (Some(position), false) => Ok(position),
            other => Err(format!("publishing {text} was answered by {other:?}")),
        }
    }

    /// Publishes so many, `1`, `2` and so on; where the last one stands.
    pub(super) fn publish_many(&mut self, count: u64) -> Result<Position, String> {
        for n in 1..count {
            self.publish(&n.to_string())?;
        }
        self.publish(&count.to_string())
    }

    /// Reads, and says nothing if it is unrecoverable.
    pub(super) fn read(&mut self, filter: HistoryFilter) -> Result<Option<History>, String> {
        match self.ask(0, Ask::Read(filter)) {
            Ok(Answer::History { publications, top }) => {
                let offsets = publications.iter().map(|publication| publication.offset).collect();
                let texts = publications.iter().map(|publication| text(publication)).collect();
                Ok(Some(History { offsets, texts, top }))
            }
            Err(Failure::Unrecoverable { .. }) => Ok(None),
            other => Err(format!("reading was answered by {other:?}")),
        }
    }

    /// The offsets since a position, if all of them are there.
    pub(super) fn since(&mut self, position: &Position) -> Result<Option<Vec<u64>>, String> {
        let history = self.read(since(position.clone()))?;
        Ok(history.map(|history| history.offsets))
    }

    pub(super) fn top(&mut self) -> Result<Position, String> {
        let filter = HistoryFilter { limit: Some(0), ..HistoryFilter::default() };
        let history = self.read(filter)?.ok_or("a read of the top alone was unrecoverable")?;
        same("publications, with a limit of zero", &history.offsets, &vec![])?;
        Ok(history.top)
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct History {
    pub(super) offsets: Vec<u64>,
    pub(super) texts: Vec<String>,
    pub(super) top: Position,
}

/// That something is as it should be.
pub(super) fn same<T: PartialEq + Debug>(what: &str, seen: &T, promised: &T) -> Verdict {
    if seen == promised {
        return Ok(());
    }
    Err(format!("{what}: {seen:?} was seen, {promised:?} was promised"))
}

pub(super) fn since(position: Position) -> HistoryFilter {
    HistoryFilter { since: Some(position), ..HistoryFilter::default() }
}

pub(super) fn draft(text: &str) -> Draft {
    Draft {
        data: Data::Json(format!("\"{text}\"").into()),
        publisher: None,
        tags: Box::default(),
        key: None,
        retention: Some(RETENTION),
        idempotency_key: None,
        version: None,
    }
}

pub(super) fn text(publication: &Publication) -> String {
    match &publication.data {
        Data::Json(text) => text.trim_matches('"').to_owned(),
        Data::Binary(bytes) => format!("{bytes:?}"),
    }
}

pub(super) fn attendance(user: &str, client: &str) -> Attendance {
    let member = Member {
        user: UserId::new(user),
        client: ClientId::new(client),
        connection_info: None,
        channel_info: None,
    };
    Attendance { member: member.into(), present: true, announced: true }
}

fn index(shard: usize) -> ShardIndex {
    ShardIndex::new(shard).unwrap_or_else(|| unreachable!("rows use three shards"))
}
