//! What a client makes of what it reads, and whether it may be so.

use std::time::Duration;

use tidewire_hub::{
    ChannelName, Command, Connected, Error, HistoryFilter, Position, Publication, Push, Reply,
    Subscribed, Unsubscribe,
};

use crate::{
    client::{Asked, Client, Live, Since},
    invariant::{Checked, Invariant, hold},
    transport::Frame,
    truth::{Truth, serial_of},
};

/// What a client needs to judge.
pub(crate) struct Reading<'a> {
    pub(crate) now: u64,
    pub(crate) truth: &'a Truth,
    /// A number by which clients that are told the same at once do not all come back at once.
    pub(crate) whim: u64,
}

impl Client {
    pub(crate) fn read(&mut self, frame: Frame, cx: &Reading<'_>) -> Checked {
        match frame {
            Frame::Reply(id, reply) => match self.asked.remove(&id.0) {
                Some(asked) => self.answered(asked, reply, cx),
                None => hold(Invariant::ExactlyOneReply, false, || format!("a reply to {id:?}")),
            },
            Frame::Publication(channel, publication)
            | Frame::Push(Push::Publication { channel, publication }) => {
                self.published(&channel, &publication, cx)
            }
            Frame::Announce(channel, ..) => self.is_asked_for(&channel),
            Frame::Push(push) => self.pushed(push, cx),
        }
    }

    fn is_asked_for(&self, channel: &ChannelName) -> Checked {
        let live = self.channels.get(channel).is_some_and(|seen| seen.live.is_some());
        hold(Invariant::NothingUnasked, live, || {
            format!("{} heard of {channel}, where it is not", self.user)
        })
    }

    fn published(
        &mut self,
        channel: &ChannelName,
        publication: &Publication,
        cx: &Reading<'_>,
    ) -> Checked {
        self.is_asked_for(channel)?;
        let seen = self.seen(channel);
        let Some(live) = &mut seen.live else { return Ok(()) };
        live.is_newer(channel, publication, cx.truth)?;
        let Some(position) = live.position.as_mut().filter(|_| publication.offset > 0) else {
            return live.passed(channel, publication, cx.truth);
        };
        let (here, there) = (position.offset, publication.offset);
        hold(Invariant::NoDuplicate, there > here, || format!("{channel}: {there} after {here}"))?;
        let follows = !live.gapless || there == here + 1;
        hold(Invariant::NoGap, follows, || format!("{channel}: {there} after {here}"))?;
        cx.truth.confirms(channel, &position.epoch, publication)?;
        position.offset = there;
        if live.recoverable {
            seen.position = Some(position.clone());
        }
        Ok(())
    }

    fn answered(&mut self, asked: Asked, reply: Result<Reply, Error>, cx: &Reading<'_>) -> Checked {
        match (asked, reply) {
            (Asked::Connect { since }, Ok(Reply::Connected(connected))) => {
                self.connected = true;
                self.refresh_at = due(cx.now, connected.expires_in);
                let Connected { subscriptions, .. } = *connected;
                for (channel, subscribed) in subscriptions {
                    let since = since.get(&channel).cloned().flatten();
                    self.subscribed(&channel, since.as_ref(), subscribed, cx)?;
                }
            }
            (Asked::Connect { .. }, _) => self.leaves = true,
            (Asked::Subscribe { channel, since, .. }, Ok(Reply::Subscribed(subscribed))) => {
                self.subscribed(&channel, since.as_ref(), *subscribed, cx)?;
            }
            (Asked::Subscribe { channel, .. }, _) => {
                let seen = self.seen(&channel);
                seen.waits = false;
                seen.retry_at = cx.now + 100 + cx.whim % 200;
            }
            (Asked::Unsubscribe { channel }, Ok(Reply::Unsubscribed)) => {
                let seen = self.seen(&channel);
                (seen.waits, seen.live) = (false, None);
            }
            (Asked::Unsubscribe { channel }, _) => self.seen(&channel).waits = false,
            (Asked::Publish { serial }, Ok(Reply::Published)) => {
                hold(Invariant::PublishedIsThere, cx.truth.has(serial), || {
                    format!("{serial} was acknowledged")
                })?;
            }
            (Asked::History { channel, filter }, Ok(Reply::History { publications, top })) => {
                let offsets: Vec<u64> =
                    publications.iter().map(|publication| publication.offset).collect();
                let whole = is_what_was_asked(&filter, &offsets, &top);
                hold(Invariant::HistoryTellsTheTruth, whole, || {
                    format!("{channel}: {offsets:?} with the top {top}, for {filter:?}")
                })?;
                for publication in &publications {
                    cx.truth.confirms(&channel, &top.epoch, publication)?;
                }
            }
            (Asked::Refresh, Ok(Reply::Refreshed { expires_in, .. })) => {
                self.refresh_at = due(cx.now, expires_in);
            }
            (Asked::Refresh, _) => self.refresh_at = Some(cx.now + 100),
            (
                Asked::RefreshSubscription { channel },
                Ok(Reply::SubscriptionRefreshed { expires_in }),
            ) => self.seen(&channel).refresh_at = due(cx.now, expires_in),
            _ => {}
        }
        Ok(())
    }

    fn subscribed(
        &mut self,
        channel: &ChannelName,
        since: Option<&(bytestring::ByteString, u64)>,
        subscribed: Subscribed,
        cx: &Reading<'_>,
    ) -> Checked {
        tells_the_truth(channel, &since.cloned(), &subscribed, cx.truth)?;
        let seen = self.seen(channel);
        seen.waits = false;
        seen.owed = None;
        seen.refresh_at = due(cx.now, subscribed.expires_in);
        seen.position = subscribed.position.clone().filter(|_| subscribed.recoverable);
        seen.live = Some(Live {
            gapless: subscribed.recoverable || subscribed.positioned,
            recoverable: subscribed.recoverable,
            position: subscribed.position,
            place: None,
            version: None,
        });
        Ok(())
    }

    fn pushed(&mut self, push: Push, cx: &Reading<'_>) -> Checked {
        match push {
            Push::Ping if !self.mute => self.say(Command::Pong),
            Push::Subscribed { channel, subscribed } => {
                self.subscribed(&channel, None, *subscribed, cx)?;
            }
            Push::Unsubscribed { channel, why } => {
                let seen = self.seen(&channel);
                seen.live = None;
                seen.retry_at = cx.now + cx.whim % 50;
                if why == Unsubscribe::Server {
                    seen.want = None;
                }
            }
            Push::Refresh { expires_in } => self.refresh_at = due(cx.now, expires_in),
            Push::Disconnect(_) | Push::Dismissed(_) => self.leaves = true,
            _ => {}
        }
        Ok(())
    }
}

impl Live {
    /// Where it has a version, nothing that is as new has been seen.
    fn is_newer(
        &mut self,
        channel: &ChannelName,
        publication: &Publication,
        truth: &Truth,
    ) -> Checked {
        let serial = serial_of(publication).unwrap_or(0);
        let Some(version) = truth.version_of(serial) else { return Ok(()) };
        let last = self.version.replace(version.clone());
        let is_newer = last
            .as_ref()
            .is_none_or(|last| last.epoch != version.epoch || last.number < version.number);
        hold(Invariant::OnlyNewerVersions, is_newer, || {
            format!("{channel}: {version:?} after {last:?}")
        })
    }

    /// Something without a place in a stream.
    fn passed(
        &mut self,
        channel: &ChannelName,
        publication: &Publication,
        truth: &Truth,
    ) -> Checked {
        let serial = serial_of(publication).unwrap_or(0);
        let place = truth.place_of(channel, serial);
        hold(Invariant::OneOrder, place.is_some() && place >= self.place, || {
            format!("{channel}: {place:?} after {:?}", self.place)
        })?;
        hold(Invariant::NoDuplicate, place > self.place, || format!("{channel}: {serial} again"))?;
        self.place = place;
        Ok(())
    }
}

/// When a token has to be refreshed.
fn due(now: u64, expires_in: Option<Duration>) -> Option<u64> {
    let left = u64::try_from(expires_in?.as_millis()).unwrap_or(u64::MAX);
    Some(now + left / 2)
}

/// All that was missed and says so, or nothing.
fn tells_the_truth(
    channel: &ChannelName,
    since: &Since,
    subscribed: &Subscribed,
    truth: &Truth,
) -> Checked {
    let offsets: Vec<u64> =
        subscribed.publications.iter().map(|publication| publication.offset).collect();
    let position = subscribed.position.as_ref();
    let holds = match (subscribed.recovered, since, position) {
        (false, _, None) => offsets.is_empty(),
        (false, _, Some(position)) => offsets.is_empty() && truth.reaches(channel, position),
        (true, Some((epoch, offset)), Some(position)) => {
            let same = *epoch == position.epoch.as_str() || (epoch.is_empty() && *offset == 0);
            let all = (offset + 1..=position.offset).eq(offsets.iter().copied());
            same && all && *offset <= position.offset && truth.reaches(channel, position)
        }
        (true, ..) => false,
    };
    hold(
        Invariant::RecoveredTellsTheTruth,
        holds && subscribed.was_recovering == since.is_some(),
        || {
            format!(
                "{channel}: since {since:?} recovered: {}, {offsets:?} up to {position:?}",
                subscribed.recovered
            )
        },
    )?;
    let Some(position) = position else { return Ok(()) };
    let mut publications = subscribed.publications.iter();
    publications.try_for_each(|publication| truth.confirms(channel, &position.epoch, publication))
}

fn is_what_was_asked(filter: &HistoryFilter, offsets: &[u64], top: &Position) -> bool {
    let len_max = filter.limit.map_or(usize::MAX, |limit| limit as usize);
    let neighbours = offsets
        .windows(2)
        .all(|pair| if filter.reverse { pair[0] == pair[1] + 1 } else { pair[0] + 1 == pair[1] });
    let full = offsets.len() == len_max;
    let ends = match (&filter.since, filter.reverse) {
        (None, false) => full || offsets.last().is_none_or(|last| *last == top.offset),
        (None, true) => offsets.first().is_none_or(|first| *first == top.offset),
        (Some(since), false) => {
            let first = offsets.first().copied().unwrap_or(since.offset + 1);
            let last = offsets.last().copied().unwrap_or(since.offset);
            first == since.offset + 1 && (full || last == top.offset)
        }
        (Some(since), true) => offsets.first().is_none_or(|first| first + 1 == since.offset),
    };
    offsets.len() <= len_max && neighbours && ends
}
