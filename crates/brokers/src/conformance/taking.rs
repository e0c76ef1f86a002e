//! Which publications are not taken.

use tidewire_hub::broker::{Draft, Version};

use super::{
    Row,
    desk::{draft, same},
};

pub(super) const ROWS: &[Row] = &[
    Row::new("under an idempotency key one publication is taken, and its position told", |desk| {
        desk.subscribe(1)?;
        let keyed = |text| Draft { idempotency_key: Some("k".into()), ..draft(text) };
        let first = desk.take(keyed("1"))?;
        same("whether it was suppressed", &first.1, &false)?;
        desk.publish("2")?;
        same("the answer, again", &desk.take(keyed("3"))?, &(first.0, true))?;
        same("events", &desk.events(1, 3).len(), &2)?;
        same("the top", &desk.top()?.offset, &2)
    }),
    Row::new("a key is one channel's", |desk| {
        let keyed = |text| Draft { idempotency_key: Some("k".into()), ..draft(text) };
        desk.take(keyed("1"))?;
        desk.channel = desk.fresh_channel();
        same("whether it was suppressed", &desk.take(keyed("1"))?.1, &false)
    }),
    Row::new("other keys, and none, are other publications", |desk| {
        for key in [Some("k"), Some("l"), Some(""), None, None] {
            let keyed = Draft { idempotency_key: key.map(Into::into), ..draft("1") };
            same("whether it was suppressed", &desk.take(keyed)?.1, &false)?;
        }
        Ok(())
    }),
    Row::new("keys count without a stream, too", |desk| {
        desk.subscribe(1)?;
        let keyed = || Draft { idempotency_key: Some("k".into()), retention: None, ..draft("1") };
        same("the answer", &desk.take(keyed())?, &(None, false))?;
        same("the answer, again", &desk.take(keyed())?, &(None, true))?;
        same("events", &desk.events(1, 2).len(), &1)
    }),
    Row::new("a version that is not above the last one is not taken", |desk| {
        let cases = [
            // number epoch  suppressed  offset
            (5, "", false, 1),
            (5, "", true, 1),
            (4, "", true, 1),
            (6, "", false, 2),
            (1, "b", false, 3),
            (1, "b", true, 3),
            (7, "", false, 4),
        ];
        for (number, epoch, suppressed, offset) in cases {
            let version = Some(Version { number, epoch: epoch.into() });
            let (position, seen) = desk.take(Draft { version, ..draft("1") })?;
            let what = format!("version {number} of epoch {epoch:?}");
            same(
                &what,
                &(seen, position.map(|position| position.offset)),
                &(suppressed, Some(offset)),
            )?;
        }
        same("one without a version", &desk.publish("2")?.offset, &5)
    }),
    Row::new("versions count without a stream, too", |desk| {
        let versioned = |number| Draft {
            version: Some(Version { number, epoch: "".into() }),
            retention: None,
            ..draft("1")
        };
        same("the first", &desk.take(versioned(1))?, &(None, false))?;
        same("the same", &desk.take(versioned(1))?, &(None, true))?;
        same("the next", &desk.take(versioned(2))?, &(None, false))
    }),
    Row::new("what was suppressed for its version has not used its key", |desk| {
        let both = |number| Draft {
            version: Some(Version { number, epoch: "".into() }),
            idempotency_key: Some("k".into()),
            ..draft("1")
        };
        desk.take(Draft { idempotency_key: None, ..both(3) })?;
        same("an old one", &desk.take(both(2))?.1, &true)?;
        same("a new one", &desk.take(both(4))?.1, &false)
    }),
];
