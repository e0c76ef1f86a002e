//! [`Stretch`]: a part of a stream without a gap in it, as it was read; and what can be made of it together with
//! what has gone out meanwhile.

use std::sync::Arc;

use crate::publication::{Position, Publication};

/// From where history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything after this offset.
    Since(u64),
    /// The newest, as far back as anybody may recover: history does not reach to where it was wanted from.
    FromTheEnd,
    /// Nothing but the position.
    Top,
}

/// Publications without a gap: those after `base`.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) base: u64,
    pub(crate) publications: Vec<Arc<Publication>>,
}

impl Stretch {
    /// What was read, if it is what was asked for: brokers are believed, but not blindly.
    pub(crate) fn new(
        reach: Reach,
        mut publications: Vec<Arc<Publication>>,
        top: &Position,
    ) -> Option<Self> {
        let base = match reach {
            Reach::Top => return Some(Self { base: top.offset, publications: Vec::new() }),
            Reach::Since(offset) => offset,
            Reach::FromTheEnd => {
                publications.reverse();
                publications.first().map_or(top.offset, |first| first.offset.saturating_sub(1))
            }
        };
        let stretch = Self { base, publications };
        let contiguous = (base + 1..).zip(&stretch.publications).all(|(at, one)| one.offset == at);
        let ends = match reach {
            // There may be more than was asked for.
            Reach::Since(_) => stretch.end() <= top.offset,
            _ => stretch.end() == top.offset,
        };
        (contiguous && ends).then_some(stretch)
    }

    /// The last offset.
    pub(crate) fn end(&self) -> u64 {
        self.publications.last().map_or(self.base, |last| last.offset)
    }

    /// What comes after an offset, continued by what has gone out meanwhile, if that makes it whole up to
    /// where receivers are.
    pub(crate) fn whole(
        &self,
        since: u64,
        passed: &[Arc<Publication>],
        live: u64,
    ) -> Option<Vec<Arc<Publication>>> {
        let beyond = since.max(self.end());
        let read = self.publications.iter().filter(|one| one.offset > since && one.offset <= live);
        let later = passed.iter().filter(|one| one.offset > beyond && one.offset <= live);
        let all: Vec<_> = read.chain(later).map(Arc::clone).collect();
        let contiguous = (since + 1..).zip(&all).all(|(at, one)| one.offset == at);
        // Nothing is whole for one who is ahead: it would get what it has already, once receivers do.
        (contiguous && live.checked_sub(since) == Some(all.len() as u64)).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::{Data, Epoch};

    fn publications(offsets: impl IntoIterator<Item = u64>) -> Vec<Arc<Publication>> {
        let publication = |offset| Publication {
            offset,
            data: Data::Json("1".into()),
            publisher: None,
            tags: Box::default(),
            key: None,
            time: 0,
        };
        offsets.into_iter().map(publication).map(Arc::new).collect()
    }

    fn read(reach: Reach, offsets: impl IntoIterator<Item = u64>, top: u64) -> Option<(u64, u64)> {
        let top = Position { epoch: Epoch::new("e"), offset: top };
        let stretch = Stretch::new(reach, publications(offsets), &top)?;
        Some((stretch.base, stretch.end()))
    }

    #[test]
    fn a_broker_is_not_believed_blindly() {
        use Reach::{FromTheEnd, Since, Top};
        assert_eq!(read(Since(2), [3, 4, 5], 5), Some((2, 5)));
        assert_eq!(read(Since(2), [3, 4], 5), Some((2, 4)), "there is a limit");
        assert_eq!(read(Since(2), [], 2), Some((2, 2)));
        assert_eq!(read(Since(2), [4, 5], 5), None, "the first is missing");
        assert_eq!(read(Since(2), [3, 5], 5), None, "one in the middle is missing");
        assert_eq!(read(Since(2), [3, 3, 4], 4), None, "one comes twice");
        assert_eq!(read(Since(2), [3, 4, 5], 4), None, "beyond the top");
        assert_eq!(read(FromTheEnd, [5, 4, 3], 5), Some((2, 5)));
        assert_eq!(read(FromTheEnd, [], 5), Some((5, 5)));
        assert_eq!(read(FromTheEnd, [3, 4, 5], 5), None, "in the wrong order");
        assert_eq!(read(FromTheEnd, [4, 3], 5), None, "it does not end at the top");
        assert_eq!(read(FromTheEnd, [0], 0), None, "there is no publication at zero");
        assert_eq!(read(Top, [], 7), Some((7, 7)));
    }

    /// Read since 2, gone out meanwhile, wanted since, where receivers are, what comes of it.
    type Case<'a> = (&'a [u64], &'a [u64], u64, u64, Option<&'a [u64]>);

    #[test]
    fn what_was_read_is_continued_by_what_has_gone_out() {
        let cases: &[Case<'_>] = &[
            (&[3, 4, 5], &[], 2, 5, Some(&[3, 4, 5])),
            (&[3, 4, 5], &[], 4, 5, Some(&[5])),
            (&[3, 4, 5], &[], 5, 5, Some(&[])),
            (&[3, 4, 5], &[6, 7], 3, 7, Some(&[4, 5, 6, 7])),
            (&[3, 4, 5], &[4, 5, 6], 3, 6, Some(&[4, 5, 6])),
            (&[3, 4, 5], &[7], 3, 7, None),
            (&[3, 4, 5], &[], 3, 7, None),
            (&[], &[4], 2, 4, None),
            (&[], &[3, 4], 3, 4, Some(&[4])),
        ];
        for (read, passed, since, live, whole) in cases {
            let stretch = Stretch { base: 2, publications: publications(read.iter().copied()) };
            let found = stretch.whole(*since, &publications(passed.iter().copied()), *live);
            let offsets = found.map(|found| found.iter().map(|one| one.offset).collect::<Vec<_>>());
            assert_eq!(offsets.as_deref(), *whole, "{read:?} {passed:?} {since} {live}");
        }
    }
}
