//! A session without a socket of its own: what it is told leaves in the body of an HTTP response.
//!
//! Its [`StreamEnd`] stands on the session's thread, its [`StreamBody`] in the response. Between them
//! lie lines, and a gauge of how many bytes they are: the session is congested while they are too many.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// What waits for a reader beyond this makes its session congested.
const HIGH_WATER: usize = 64 << 10;

/// Below it the session is not congested any more.
const LOW_WATER: usize = 16 << 10;

/// A line costs more than its bytes.
const LINE_COST: usize = 64;

/// Lines that wait together leave in one piece up to about this long.
const PIECE_LEN_MAX: usize = 64 << 10;

#[derive(Debug, Default)]
struct Gauge {
    queued: AtomicUsize,
    congested: AtomicBool,
}

/// Where a session's lines go in.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    lines: mpsc::UnboundedSender<Bytes>,
    gauge: Arc<Gauge>,
    len_max: usize,
    _counted: Counted,
}

/// How many sessions of this kind there are, shared by all threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamCount(Arc<AtomicUsize>);

/// One of them, for as long as it lasts.
#[derive(Debug)]
struct Counted(StreamCount);

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits for the reader, who keeps up.
    Flowing,
    /// It waits, and with it so much that the session is congested from now on.
    Congested,
    /// Nobody reads any more, or too much waits already: the session is over.
    Gone,
}

/// Where they come out: the body of a response. When it is dropped, whoever is behind `told` hears it.
pub(crate) struct StreamBody {
    lines: mpsc::UnboundedReceiver<Bytes>,
    gauge: Arc<Gauge>,
    told: Box<dyn Fn(StreamNews) + Send + Sync>,
}

/// What a stream's session has to hear of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamNews {
    /// It has read most of what waited.
    Writable,
    /// It is gone.
    Gone,
}

/// The two ends of a stream. What waits for its reader is no more than `len_max`: answers and pushes come
/// although it is congested. Beyond, the session ends. `told` is called from the reader's task.
pub(crate) fn stream(
    len_max: usize,
    count: &StreamCount,
    told: impl Fn(StreamNews) + Send + Sync + 'static,
) -> (StreamEnd, StreamBody) {
    let (sender, lines) = mpsc::unbounded_channel();
    let gauge = Arc::<Gauge>::default();
    let end =
        StreamEnd { lines: sender, gauge: Arc::clone(&gauge), len_max, _counted: count.one_more() };
    (end, StreamBody { lines, gauge, told: Box::new(told) })
}

impl StreamCount {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StreamEnd {
    pub(crate) fn push(&self, line: Bytes) -> Pushed {
        let cost = line.len() + LINE_COST;
        // What is in the way of one line shall not be the line itself.
        let queued = self.gauge.queued.fetch_add(cost, Ordering::AcqRel);
        if (queued > 0 && queued + cost > self.len_max) || self.lines.send(line).is_err() {
            return Pushed::Gone;
        }
        if queued + cost <= HIGH_WATER || self.gauge.congested.swap(true, Ordering::AcqRel) {
            return Pushed::Flowing;
        }
        // The reader may have taken all of it before it could see the flag, and will not look again.
        if self.gauge.queued.load(Ordering::Acquire) < LOW_WATER
            && self.gauge.congested.swap(false, Ordering::AcqRel)
        {
            return Pushed::Flowing;
        }
        Pushed::Congested
    }
}

impl StreamBody {
    /// What there is to write, in one piece; `None` after the last.
    fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(first) = ready!(self.lines.poll_recv(task)) else { return Poll::Ready(None) };
        let mut cost = first.len() + LINE_COST;
        let mut piece = first;
        if let Ok(second) = self.lines.try_recv() {
            let mut joined = BytesMut::from(&*piece);
            let mut next = Some(second);
            while let Some(line) = next {
                cost += line.len() + LINE_COST;
                joined.extend_from_slice(&line);
                next = if joined.len() < PIECE_LEN_MAX { self.lines.try_recv().ok() } else { None };
            }
            piece = joined.freeze();
        }
        let left = self.gauge.queued.fetch_sub(cost, Ordering::AcqRel) - cost;
        if left < LOW_WATER && self.gauge.congested.swap(false, Ordering::AcqRel) {
            (self.told)(StreamNews::Writable);
        }
        Poll::Ready(Some(piece))
    }
}

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let piece = ready!(self.poll_piece(task));
        Poll::Ready(piece.map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        (self.told)(StreamNews::Gone);
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody").field("gauge", &self.gauge).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;

    use super::*;

    const LEN_MAX: usize = 1 << 20;

    type News = Arc<Mutex<Vec<StreamNews>>>;

    fn pair() -> (StreamEnd, StreamBody, News) {
        let news = News::default();
        let told = Arc::clone(&news);
        let (end, body) =
            stream(LEN_MAX, &StreamCount::default(), move |what| told.lock().unwrap().push(what));
        (end, body, news)
    }

    async fn piece(body: &mut StreamBody) -> Option<Bytes> {
        Some(body.frame().await?.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn lines_that_wait_leave_together() {
        let (end, mut body, _) = pair();
        for line in ["a\n", "b\n", "c\n"] {
            assert_eq!(end.push(line.into()), Pushed::Flowing);
        }
        assert_eq!(piece(&mut body).await.unwrap(), "a\nb\nc\n");
        drop(end);
        assert_eq!(piece(&mut body).await, None);
    }

    #[tokio::test]
    async fn who_reads_slowly_is_congested_until_it_has_read() {
        let (end, mut body, news) = pair();
        let line = Bytes::from(vec![b'x'; HIGH_WATER / 4 - LINE_COST]);
        for _ in 0..4 {
            assert_eq!(end.push(line.clone()), Pushed::Flowing, "at the mark");
        }
        assert_eq!(end.push(line.clone()), Pushed::Congested, "and one more");
        assert_eq!(end.push(line.clone()), Pushed::Flowing, "told once");
        while news.lock().unwrap().is_empty() {
            piece(&mut body).await.unwrap();
        }
        assert_eq!(*news.lock().unwrap(), [StreamNews::Writable]);
        assert_eq!(end.push(line), Pushed::Flowing);
        drop(body);
        assert_eq!(*news.lock().unwrap(), [StreamNews::Writable, StreamNews::Gone]);
        assert_eq!(end.push("late".into()), Pushed::Gone);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (end, _body, _) = pair();
        let line = Bytes::from(vec![b'x'; LEN_MAX / 2 - LINE_COST]);
        assert_eq!(end.push(line.clone()), Pushed::Congested);
        assert_eq!(end.push(line), Pushed::Flowing, "at the limit");
        assert_eq!(end.push("x".into()), Pushed::Gone, "and one more");
        // A line that is longer by itself is not lost where nothing waits.
        let (end, _body, _) = pair();
        assert_eq!(end.push(vec![b'x'; 2 * LEN_MAX].into()), Pushed::Congested);
    }
}
