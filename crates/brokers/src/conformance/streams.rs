//! Epochs, offsets, order, and who hears what.

use std::sync::Arc;

use tidewire_hub::{
    HistoryFilter, Position,
    broker::{Answer, Ask, Draft, Event},
};

use super::{
    Row,
    desk::{Desk, draft, same, text},
};

pub(super) const ROWS: &[Row] = &[
    Row::new("an epoch always: it is told of a channel in which nothing ever happened", |desk| {
        let top = desk.top()?;
        same("whether the epoch is empty", &top.epoch.as_str().is_empty(), &false)?;
        same("the offset", &top.offset, &0)?;
        same("the top, to a subscriber", &desk.subscribe(0)?, &top)?;
        same("what was missed since", &desk.since(&top)?, &Some(vec![]))
    }),
    Row::new("offsets of a channel are contiguous within an epoch, from one on", |desk| {
        let before = desk.subscribe(0)?;
        for offset in 1..=5 {
            let position = Position { epoch: before.epoch.clone(), offset };
            same("the position", &desk.publish("x")?, &position)?;
            same("the top", &desk.top()?, &position)?;
        }
        Ok(())
    }),
    Row::new("all shards see its publications in one order", |desk| {
        for shard in 0..3 {
            desk.subscribe(shard)?;
        }
        desk.publish_many(8)?;
        let seen = (0..3).map(|shard| published(desk, shard, 8)).collect::<Result<Vec<_>, _>>()?;
        let texts = (1..=8).map(|n| (n, n.to_string())).collect::<Vec<_>>();
        same("what the shards saw", &seen, &vec![texts.clone(), texts.clone(), texts])
    }),
    Row::new("from the answer to a subscription on, every publication is told", |desk| {
        desk.publish_many(3)?;
        let top = desk.subscribe(1)?;
        same("the top", &top.offset, &3)?;
        desk.publish("4")?;
        same("what was told", &published(desk, 1, 1)?, &vec![(4, "4".to_owned())])?;
        same("what another shard was told", &desk.events(2, 0), &vec![])
    }),
    Row::new("to subscribe twice is to subscribe once", |desk| {
        same("the top, again", &desk.subscribe(0)?, &desk.top()?)?;
        desk.subscribe(0)?;
        desk.publish("1")?;
        same("what was told", &published(desk, 0, 2)?, &vec![(1, "1".to_owned())])?;
        desk.done(0, Ask::Unsubscribe)
    }),
    Row::new("who has unsubscribed is told nothing any more, in the end", |desk| {
        desk.subscribe(0)?;
        desk.subscribe(1)?;
        desk.done(0, Ask::Unsubscribe)?;
        desk.done(2, Ask::Unsubscribe)?; // which never subscribed
        desk.pass(1);
        desk.events(0, 0);
        desk.publish("1")?;
        same("what the others are told", &published(desk, 1, 1)?, &vec![(1, "1".to_owned())])?;
        same("what it is told", &desk.events(0, 0), &vec![])
    }),
    Row::new("a publication comes as it was published", |desk| {
        desk.subscribe(0)?;
        let member = super::desk::attendance("ann", "c1").member;
        let sent = Draft {
            publisher: Some(Arc::clone(&member)),
            tags: Box::new([("a".into(), "1".into()), ("a".into(), "2".into())]),
            key: Some("k".into()),
            ..draft("1")
        };
        desk.take(sent.clone())?;
        let Some(Event::Published { publication, .. }) = desk.events(0, 1).pop() else {
            return Err("nothing was told".into());
        };
        same("data", &publication.data, &sent.data)?;
        same("publisher", &publication.publisher, &Some(member))?;
        same("tags", &publication.tags, &sent.tags)?;
        same("key", &publication.key, &sent.key)?;
        let read = desk.ask(0, Ask::Read(HistoryFilter::default()));
        match read {
            Ok(Answer::History { publications, .. }) => {
                same("what is read", &publications, &vec![publication])
            }
            other => Err(format!("reading was answered by {other:?}")),
        }
    }),
    Row::new("without retention there is no stream: no position, and an offset of zero", |desk| {
        let top = desk.subscribe(0)?;
        let fleeting = Draft { retention: None, ..draft("1") };
        same("the answer", &desk.take(fleeting)?, &(None, false))?;
        match desk.events(0, 1).as_slice() {
            [Event::Published { epoch: None, publication, .. }] => {
                same("what was told", &(publication.offset, text(publication)), &(0, "1".into()))?;
            }
            other => return Err(format!("{other:?} was told")),
        }
        same("the top", &desk.top()?, &top)?;
        same("what is kept", &desk.since(&top)?, &Some(vec![]))
    }),
];

/// Offsets and texts of what a shard was told, all of it in the channel's epoch.
fn published(
    desk: &mut Desk<'_>,
    shard: usize,
    count: usize,
) -> Result<Vec<(u64, String)>, String> {
    let epoch = Some(desk.top()?.epoch);
    let mut seen = Vec::new();
    for event in desk.events(shard, count) {
        let Event::Published { epoch: seen_epoch, publication, .. } = event else {
            return Err(format!("{event:?} was told"));
        };
        same("the epoch", &seen_epoch, &epoch)?;
        seen.push((publication.offset, text(&publication)));
    }
    // "An event may come twice or late; the offset tells."
    seen.sort();
    seen.dedup();
    Ok(seen)
}
