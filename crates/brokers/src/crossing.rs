//! [`Crossing`]: from a broker to shards over queues that may be full.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_hub::{
    ChannelName, Position,
    broker::{Event, Response},
};

use crate::{Postbox, ShardIndex};

/// What a shard gets from a broker.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "these are the two")]
pub enum Parcel {
    /// An answer.
    Response(Response),
    /// News.
    Event(Event),
}

/// Bounded queues, one to each shard.
pub trait Lane {
    /// Puts a parcel at the end of a shard's queue.
    ///
    /// # Errors
    /// If there is no room: it comes back.
    fn put(&mut self, to: ShardIndex, parcel: Parcel) -> Result<(), Parcel>;
}

/// Remembers what did not fit into full queues, so that a shard is told what it has missed.
///
/// An answer waits: there are never more of them than the shard has asked for. An event does not: of a stream
/// it is only remembered that there was one, and once there is room the shard gets [`Event::Top`] instead, by
/// which it sees the gap and repairs it. If too many channels are concerned, it is [`Event::Lost`].
/// Publications without a stream, joins and leaves are dropped: nobody was promised them.
///
/// What is put on a shard's queue stays in order; nothing overtakes what waits.
#[derive(Debug)]
pub struct Crossing {
    behind: BTreeMap<ShardIndex, Behind>,
    missed_channel_count_max: usize,
    dropped_count: u64,
}

/// What one shard still has to get.
#[derive(Debug, Default)]
struct Behind {
    responses: VecDeque<Response>,
    missed: Missed,
}

#[derive(Debug)]
enum Missed {
    Channels(BTreeSet<ChannelName>),
    TooMany,
}

impl Crossing {
    /// One that remembers so many channels for each shard before it says that everything is
    /// [lost](Event::Lost). A thousand or so: to read that many again costs a shard little more than
    /// to look at all it has.
    pub const fn new(missed_channel_count_max: usize) -> Self {
        Self { behind: BTreeMap::new(), missed_channel_count_max, dropped_count: 0 }
    }

    /// A postbox that delivers by `lane`.
    pub const fn over<'a, L: Lane>(&'a mut self, lane: &'a mut L) -> Over<'a, L> {
        Over { crossing: self, lane }
    }

    /// Whether anything waits for room: then [`catch_up`](Self::catch_up) is to be called, once a turn.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Events that were not delivered, whether their channel's top was told later or not.
    pub const fn dropped_count(&self) -> u64 {
        self.dropped_count
    }

    /// Delivers what waits, as far as there is room now. `top` tells where a channel's stream is.
    pub fn catch_up(
        &mut self,
        lane: &mut impl Lane,
        mut top: impl FnMut(&ChannelName) -> Position,
    ) {
        self.behind.retain(|&shard, behind| !behind.catch_up(shard, lane, &mut top));
    }
}

impl Behind {
    /// Whether all of it has been delivered.
    fn catch_up(
        &mut self,
        shard: ShardIndex,
        lane: &mut impl Lane,
        top: &mut impl FnMut(&ChannelName) -> Position,
    ) -> bool {
        while let Some(response) = self.responses.pop_front() {
            if let Err(parcel) = lane.put(shard, Parcel::Response(response)) {
                if let Parcel::Response(response) = parcel {
                    self.responses.push_front(response);
                }
                return false;
            }
        }
        loop {
            let (event, next) = match &self.missed {
                Missed::TooMany => (Event::Lost, None),
                Missed::Channels(channels) => {
                    let Some(channel) = channels.first() else { return true };
                    let position = top(channel);
                    (Event::Top { channel: channel.clone(), position }, Some(channel.clone()))
                }
            };
            if lane.put(shard, Parcel::Event(event)).is_err() {
                return false;
            }
            match (&mut self.missed, next) {
                (Missed::Channels(channels), Some(channel)) => _ = channels.remove(&channel),
                _ => self.missed = Missed::default(),
            }
        }
    }

    fn miss(&mut self, event: Event, count_max: usize) {
        let channel = match event {
            Event::Published { channel, epoch: Some(_), .. } | Event::Top { channel, .. } => {
                channel
            }
            Event::Published { epoch: None, .. } | Event::Joined { .. } | Event::Left { .. } => {
                return;
            }
            Event::Lost => return self.missed = Missed::TooMany,
        };
        if let Missed::Channels(channels) = &mut self.missed {
            channels.insert(channel);
            if channels.len() > count_max {
                self.missed = Missed::TooMany;
            }
        }
    }
}

impl Default for Missed {
    fn default() -> Self {
        Self::Channels(BTreeSet::new())
    }
}

/// See [`Crossing::over`].
#[derive(Debug)]
pub struct Over<'a, L> {
    crossing: &'a mut Crossing,
    lane: &'a mut L,
}

impl<L: Lane> Postbox for Over<'_, L> {
    fn respond(&mut self, to: ShardIndex, response: Response) {
        if let Some(behind) = self.crossing.behind.get_mut(&to) {
            return behind.responses.push_back(response);
        }
        if let Err(Parcel::Response(response)) = self.lane.put(to, Parcel::Response(response)) {
            self.crossing.behind.entry(to).or_default().responses.push_back(response);
        }
    }

    fn tell(&mut self, to: ShardIndex, event: Event) {
        let event = if self.crossing.behind.contains_key(&to) {
            event
        } else {
            match self.lane.put(to, Parcel::Event(event)) {
                Err(Parcel::Event(event)) => event,
                _ => return,
            }
        };
        self.crossing.dropped_count += 1;
        let count_max = self.crossing.missed_channel_count_max;
        self.crossing.behind.entry(to).or_default().miss(event, count_max);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidewire_hub::{
        ClientId, Data, Epoch, Member, Publication, UserId,
        broker::{Answer, RequestId},
    };

    use super::*;

    /// Queues that hold so many.
    struct Queues {
        count_max: usize,
        mail: BTreeMap<ShardIndex, VecDeque<Parcel>>,
    }

    impl Lane for Queues {
        fn put(&mut self, to: ShardIndex, parcel: Parcel) -> Result<(), Parcel> {
            let queue = self.mail.entry(to).or_default();
            if queue.len() >= self.count_max {
                return Err(parcel);
            }
            queue.push_back(parcel);
            Ok(())
        }
    }

    impl Queues {
        fn new(count_max: usize) -> Self {
            Self { count_max, mail: BTreeMap::new() }
        }

        fn take(&mut self, n: usize) -> Vec<String> {
            let queue = self.mail.entry(shard(n)).or_default();
            queue.drain(..).map(|parcel| brief(&parcel)).collect()
        }
    }

    fn shard(n: usize) -> ShardIndex {
        ShardIndex::new(n).unwrap()
    }

    fn brief(parcel: &Parcel) -> String {
        match parcel {
            Parcel::Response(response) => format!("response {}", response.id.0),
            Parcel::Event(Event::Published { channel, publication, .. }) => {
                format!("{channel} {}", publication.offset)
            }
            Parcel::Event(Event::Top { channel, position }) => {
                format!("{channel} top {}", position.offset)
            }
            Parcel::Event(Event::Joined { member, .. }) => format!("+{}", member.client.as_str()),
            Parcel::Event(Event::Left { member, .. }) => format!("-{}", member.client.as_str()),
            Parcel::Event(Event::Lost) => "lost".into(),
        }
    }

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn published(name: &str, offset: u64) -> Event {
        let publication = Publication {
            offset,
            data: Data::Json("1".into()),
            publisher: None,
            tags: Box::default(),
            key: None,
            time: 0,
        };
        let epoch = (offset > 0).then(|| Epoch::new("e"));
        Event::Published { channel: channel(name), epoch, publication: Arc::new(publication) }
    }

    fn joined(name: &str) -> Event {
        let member = Member {
            user: UserId::new(""),
            client: ClientId::new("c"),
            connection_info: None,
            channel_info: None,
        };
        Event::Joined { channel: channel(name), member: Arc::new(member) }
    }

    fn response(id: u64) -> Response {
        Response { id: RequestId(id), answer: Ok(Answer::Done) }
    }

    fn top(_: &ChannelName) -> Position {
        Position { epoch: Epoch::new("e"), offset: 9 }
    }

    #[test]
    fn what_fits_passes_as_it_comes() {
        let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(3));
        let mut postbox = crossing.over(&mut queues);
        postbox.tell(shard(1), published("a", 1));
        postbox.respond(shard(1), response(1));
        postbox.tell(shard(1), joined("a"));
        assert_eq!(queues.take(1), ["a 1", "response 1", "+c"]);
        assert!(!crossing.is_behind() && crossing.dropped_count() == 0);
    }

    #[test]
    fn who_missed_something_is_told_where_the_stream_is() {
        let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(1));
        let mut postbox = crossing.over(&mut queues);
        for offset in 1..=3 {
            postbox.tell(shard(0), published("a", offset));
            postbox.tell(shard(1), published("b", 1));
        }
        assert_eq!(queues.take(0), ["a 1"]);
        crossing.over(&mut queues).tell(shard(0), published("a", 4));
        assert_eq!(queues.take(0), Vec::<String>::new(), "nothing overtakes");
        crossing.catch_up(&mut queues, top);
        assert_eq!(queues.take(0), ["a top 9"]);
        assert!(crossing.is_behind(), "the other shard is");
        queues.take(1);
        crossing.catch_up(&mut queues, top);
        assert_eq!(queues.take(1), ["b top 9"]);
        assert!(!crossing.is_behind());
        assert_eq!(crossing.dropped_count(), 5);
        crossing.over(&mut queues).tell(shard(0), published("a", 10));
        assert_eq!(queues.take(0), ["a 10"]);
    }

    #[test]
    fn answers_wait_and_come_before_what_was_missed() {
        let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(1));
        let mut postbox = crossing.over(&mut queues);
        postbox.tell(shard(0), published("a", 1));
        postbox.tell(shard(0), published("a", 2));
        postbox.respond(shard(0), response(1));
        postbox.tell(shard(0), published("b", 1));
        postbox.respond(shard(0), response(2));
        let mut seen = Vec::new();
        while crossing.is_behind() {
            seen.extend(queues.take(0));
            crossing.catch_up(&mut queues, top);
        }
        seen.extend(queues.take(0));
        assert_eq!(seen, ["a 1", "response 1", "response 2", "a top 9", "b top 9"]);
    }

    #[test]
    fn with_too_many_channels_everything_is_lost_once() {
        for (channels, told) in [(2, &["c0 top 9", "c1 top 9"][..]), (3, &["lost"])] {
            let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(0));
            for n in 0..channels {
                crossing.over(&mut queues).tell(shard(0), published(&format!("c{n}"), 1));
            }
            queues.count_max = 9;
            crossing.catch_up(&mut queues, top);
            assert_eq!(queues.take(0), told);
            assert!(!crossing.is_behind());
        }
    }

    #[test]
    fn a_brokers_own_bad_news_are_not_lost() {
        let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(0));
        let position = top(&channel("a"));
        crossing.over(&mut queues).tell(shard(0), Event::Top { channel: channel("a"), position });
        crossing.over(&mut queues).tell(shard(1), Event::Lost);
        queues.count_max = 9;
        crossing.catch_up(&mut queues, top);
        assert_eq!((queues.take(0), queues.take(1)), (vec!["a top 9".into()], vec!["lost".into()]));
    }

    #[test]
    fn what_has_no_stream_is_dropped() {
        let (mut crossing, mut queues) = (Crossing::new(2), Queues::new(0));
        crossing.over(&mut queues).tell(shard(0), published("a", 0));
        crossing.over(&mut queues).tell(shard(0), joined("a"));
        queues.count_max = 9;
        crossing.catch_up(&mut queues, top);
        assert_eq!(queues.take(0), Vec::<String>::new());
        assert!(!crossing.is_behind());
        assert_eq!(crossing.dropped_count(), 2);
    }
}
