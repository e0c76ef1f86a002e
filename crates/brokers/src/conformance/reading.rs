//! What can be read, since when, and for how long.

use tidewire_hub::{
    Epoch, HistoryFilter, Position,
    broker::{Ask, Draft, Failure, Retention},
};

use super::{
    Row,
    desk::{RETENTION, draft, same, since},
};

pub(super) const ROWS: &[Row] = &[
    Row::new("a read since a position gives all that is after it", |desk| {
        let top = desk.publish_many(6)?;
        for offset in 0..=6 {
            let position = Position { offset, ..top.clone() };
            let after = (offset + 1..=6).collect();
            same("what is after it", &desk.since(&position)?, &Some(after))?;
        }
        let all = desk.read(HistoryFilter::default())?.ok_or("all there is was unrecoverable")?;
        same("all there is", &all.offsets, &(1..=6).collect())?;
        same("their texts", &all.texts, &(1..=6).map(|n| n.to_string()).collect())?;
        same("the top", &all.top, &top)
    }),
    Row::new("or says that it cannot, and where the stream is", |desk| {
        let top = desk.publish_many(13)?;
        same(
            "at the edge",
            &desk.since(&Position { offset: 3, ..top.clone() })?,
            &Some((4..=13).collect()),
        )?;
        let missed = Position { offset: 2, ..top.clone() };
        let answer = desk.ask(0, Ask::Read(since(missed)));
        same("beyond it", &answer, &Err(Failure::Unrecoverable { top }))
    }),
    Row::new("a position of another epoch is unrecoverable", |desk| {
        let top = desk.publish_many(3)?;
        for offset in 0..=4 {
            let elsewhere = Position { epoch: Epoch::new("elsewhere"), offset };
            same("what is after it", &desk.since(&elsewhere)?, &None)?;
            let reverse = HistoryFilter { reverse: true, ..since(elsewhere) };
            same(
                "what is before it",
                &desk.ask(0, Ask::Read(reverse)),
                &Err(Failure::Unrecoverable { top: top.clone() }),
            )?;
        }
        Ok(())
    }),
    Row::new("a position above the top is unrecoverable", |desk| {
        let top = desk.publish_many(3)?;
        for offset in [4, 5, u64::MAX] {
            same("what is after it", &desk.since(&Position { offset, ..top.clone() })?, &None)?;
        }
        Ok(())
    }),
    Row::new("an empty epoch at zero is the very beginning, and above zero nothing", |desk| {
        let beginning = Position { epoch: Epoch::new(""), offset: 0 };
        same("before anything", &desk.since(&beginning)?, &Some(vec![]))?;
        desk.publish_many(10)?;
        same("while all is kept", &desk.since(&beginning)?, &Some((1..=10).collect()))?;
        let nowhere = Position { offset: 1, ..beginning.clone() };
        same("above zero", &desk.since(&nowhere)?, &None)?;
        desk.publish("11")?;
        same("when the first is gone", &desk.since(&beginning)?, &None)
    }),
    Row::new("a limit gives the front, in the order that was asked for", |desk| {
        let top = desk.publish_many(5)?;
        let at = |offset| Some(Position { offset, ..top.clone() });
        let cases = [
            // since   limit     reverse  offsets
            (None, Some(2), false, vec![1, 2]),
            (None, Some(2), true, vec![5, 4]),
            (None, None, true, vec![5, 4, 3, 2, 1]),
            (at(2), Some(2), false, vec![3, 4]),
            (at(2), Some(9), false, vec![3, 4, 5]),
            (at(2), Some(0), false, vec![]),
            (at(5), Some(2), false, vec![]),
            (at(4), None, true, vec![3, 2, 1]),
            (at(4), Some(2), true, vec![3, 2]),
            (at(1), Some(2), true, vec![]),
            (at(0), Some(2), true, vec![]),
        ];
        for (since, limit, reverse, offsets) in cases {
            let filter = HistoryFilter { since, limit, reverse };
            let what = format!("{filter:?}");
            let history = desk.read(filter)?.ok_or_else(|| format!("{what} was unrecoverable"))?;
            same(&what, &history.offsets, &offsets)?;
            same("the top", &history.top, &top)?;
        }
        Ok(())
    }),
    Row::new("so many publications are kept at most", |desk| {
        desk.publish_many(10)?;
        same("at the limit", &kept(desk)?, &(1..=10).collect())?;
        desk.publish("11")?;
        same("above it", &kept(desk)?, &(2..=11).collect())
    }),
    Row::new("none is kept that is older", |desk| {
        desk.publish("1")?;
        desk.pass(1);
        desk.publish("2")?;
        same("in time", &kept(desk)?, &vec![1, 2])?;
        desk.pass(2);
        same("later", &kept(desk)?, &vec![2])?;
        desk.pass(2);
        same("in the end", &kept(desk)?, &vec![])
    }),
    Row::new("when history has expired, the epoch and the offset go on", |desk| {
        let top = desk.publish_many(3)?;
        desk.pass(4);
        same("the top", &desk.top()?, &top)?;
        same("since the top", &desk.since(&top)?, &Some(vec![]))?;
        same("before it", &desk.since(&Position { offset: 2, ..top.clone() })?, &None)?;
        same("the next one", &desk.publish("4")?, &Position { offset: 4, ..top })
    }),
    Row::new("when history is removed, the epoch and the offset go on", |desk| {
        let top = desk.publish_many(3)?;
        desk.done(1, Ask::RemoveHistory)?;
        same("what is kept", &kept(desk)?, &vec![])?;
        same("since the top", &desk.since(&top)?, &Some(vec![]))?;
        same("before it", &desk.since(&Position { offset: 2, ..top.clone() })?, &None)?;
        same("the next one", &desk.publish("4")?, &Position { offset: 4, ..top.clone() })?;
        same("since the top, again", &desk.since(&top)?, &Some(vec![4]))
    }),
    Row::new("after the retention of positions a new epoch begins", |desk| {
        let short = Retention { position_age_max: RETENTION.age_max, ..RETENTION };
        desk.take(Draft { retention: Some(short), ..draft("1") })?;
        let old = desk.top()?;
        desk.pass(4);
        let new = desk.publish("1")?;
        same("whether the epoch is the old one", &(new.epoch == old.epoch), &false)?;
        same("the offset", &new.offset, &1)?;
        same("since the old position", &desk.since(&old)?, &None)
    }),
    Row::new("a subscriber keeps the epoch", |desk| {
        let short = Retention { position_age_max: RETENTION.age_max, ..RETENTION };
        desk.subscribe(1)?;
        desk.take(Draft { retention: Some(short), ..draft("1") })?;
        let top = desk.top()?;
        desk.pass(4);
        same("the next one", &desk.publish("2")?, &Position { offset: 2, ..top })
    }),
];

fn kept(desk: &mut super::Desk<'_>) -> Result<Vec<u64>, String> {
    let history = desk.read(HistoryFilter::default())?;
    Ok(history.ok_or("all there is was unrecoverable")?.offsets)
}
