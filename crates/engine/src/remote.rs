//! [`Remote`]: an engine, from any thread.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tidewire_proto::{CloseFrame, Outgoing, Prepared};

use crate::{
    engine::Adopted,
    handler::Handler,
    id::ConnectionId,
    mail::Mail,
    mailbox::{Full, MailLimits, Mailbox},
};

/// The way to an engine's threads from any other: cheap to clone.
///
/// Every thread has a bounded mailbox. However much is put into it while the thread is busy, the
/// thread is woken once. What is sent to a connection that has ended by then is dropped.
pub struct Remote<H: Handler>(Arc<Shared<H>>);

struct Shared<H: Handler> {
    threads: Box<[Thread<H>]>,
    stop_within: OnceLock<Duration>,
    cut: AtomicBool,
}

struct Thread<H: Handler> {
    mailbox: Mailbox<Mail<H>>,
    /// Those that are on their way to the thread included: it is what they are spread by.
    load: AtomicUsize,
    /// What the thread has last said of itself, as [`ThreadStats`] has it.
    stats: [AtomicU64; 6],
}

/// What a thread says of itself, at the end of its last turn. Counts are since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ThreadStats {
    /// Connections, those before their `101` included.
    pub connection_count: usize,
    /// Bytes that wait to be written, overhead included ([`QueueLimits`](crate::QueueLimits)).
    pub queued_len: usize,
    /// Offered messages that were dropped.
    pub dropped_count: u64,
    /// Connections that were closed because a message did not fit.
    pub closed_at_brim_count: u64,
    /// Connections for which there was no place (`connection_count_max`).
    pub turned_away_count: u64,
    /// Turns of its loop.
    pub turn_count: u64,
}

/// A thread's mailbox is full: it does not keep up. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct MailboxFull;

impl fmt::Display for MailboxFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the thread does not keep up: its mailbox is full (mail_count_max, mail_len_max)",
        )
    }
}

impl std::error::Error for MailboxFull {}

impl<H: Handler> Remote<H> {
    pub(crate) fn new(thread_count: usize, limits: MailLimits) -> io::Result<Self> {
        let threads = (0..thread_count)
            .map(|_| {
                let mailbox = Mailbox::new(limits)?;
                Ok(Thread { mailbox, load: AtomicUsize::new(0), stats: Default::default() })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(Shared {
            threads,
            stop_within: OnceLock::new(),
            cut: AtomicBool::new(false),
        })))
    }

    /// Threads of the engine.
    pub fn thread_count(&self) -> usize {
        self.0.threads.len()
    }

    /// Connections on all threads, those before their `101` included.
    pub fn connection_count(&self) -> usize {
        let threads = self.0.threads.iter();
        threads.map(|thread| thread.load.load(Ordering::Relaxed)).sum()
    }

    /// What each thread says of itself.
    pub fn stats(&self) -> Vec<ThreadStats> {
        let threads = self.0.threads.iter();
        threads
            .map(|thread| {
                let [connections, queued, dropped, closed, turned_away, turns] =
                    thread.stats.each_ref().map(|stat| stat.load(Ordering::Relaxed));
                ThreadStats {
                    connection_count: usize::try_from(connections).unwrap_or(usize::MAX),
                    queued_len: usize::try_from(queued).unwrap_or(usize::MAX),
                    dropped_count: dropped,
                    closed_at_brim_count: closed,
                    turned_away_count: turned_away,
                    turn_count: turns,
                }
            })
            .collect()
    }

    pub(crate) fn report(&self, thread: usize, stats: &ThreadStats) {
        let values = [
            stats.connection_count as u64,
            stats.queued_len as u64,
            stats.dropped_count,
            stats.closed_at_brim_count,
            stats.turned_away_count,
            stats.turn_count,
        ];
        for (place, value) in self.0.threads[thread].stats.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
    }

    /// Hands over a connection that is open already; the thread with the fewest gets it.
    ///
    /// # Errors
    /// With the connection, if that thread's mailbox is full.
    pub fn adopt(&self, adopted: Adopted<H::Guest>) -> Result<(), Adopted<H::Guest>> {
        match self.hand_over(self.least_loaded(), Mail::Adopt(Box::new(adopted))) {
            Err(Mail::Adopt(adopted)) => Err(*adopted),
            _ => Ok(()),
        }
    }

    /// Sends a message to a connection.
    ///
    /// # Errors
    /// If the mailbox of its thread is full.
    pub fn send(
        &self,
        id: ConnectionId,
        message: impl Into<Outgoing<'static>>,
    ) -> Result<(), MailboxFull> {
        self.say(id.thread(), Mail::Send { id, message: message.into() })
    }

    /// Sends one message to many connections of one thread; those of other threads are passed over.
    ///
    /// # Errors
    /// If the mailbox of that thread is full.
    pub fn queue_many(
        &self,
        thread: usize,
        ids: Vec<ConnectionId>,
        message: &Prepared,
    ) -> Result<(), MailboxFull> {
        self.say(thread, Mail::Many { ids, message: message.clone() })
    }

    /// Sends a message to the subscribers of a topic on all threads.
    ///
    /// # Errors
    /// If the mailbox of a thread is full; then the threads after that one get nothing.
    pub fn publish(&self, topic: impl AsRef<[u8]>, message: &Prepared) -> Result<(), MailboxFull> {
        self.publish_except(self.thread_count(), topic.as_ref(), message)
    }

    pub(crate) fn publish_except(
        &self,
        except: usize,
        topic: &[u8],
        message: &Prepared,
    ) -> Result<(), MailboxFull> {
        let topic = Bytes::copy_from_slice(topic);
        for thread in (0..self.thread_count()).filter(|thread| *thread != except) {
            let message = message.clone();
            self.say(thread, Mail::Publish { topic: topic.clone(), message })?;
        }
        Ok(())
    }

    /// Closes a connection, once what is queued for it has been written.
    ///
    /// # Errors
    /// If the mailbox of its thread is full.
    pub fn close(&self, id: ConnectionId, frame: CloseFrame) -> Result<(), MailboxFull> {
        self.say(id.thread(), Mail::Close { id, frame })
    }

    /// Hears nothing from a connection until it is resumed.
    ///
    /// # Errors
    /// If the mailbox of its thread is full.
    pub fn pause_reading(&self, id: ConnectionId) -> Result<(), MailboxFull> {
        self.say(id.thread(), Mail::PauseReading(id))
    }

    /// Hears a connection again.
    ///
    /// # Errors
    /// If the mailbox of its thread is full.
    pub fn resume_reading(&self, id: ConnectionId) -> Result<(), MailboxFull> {
        self.say(id.thread(), Mail::ResumeReading(id))
    }

    /// Tells a thread's handler something: see [`Handler::command`].
    ///
    /// # Errors
    /// With the command, if the thread's mailbox is full, or there is no such thread.
    pub fn tell(&self, thread: usize, command: H::Command) -> Result<(), H::Command> {
        match self.put(thread, Mail::Command(command)) {
            Err(Mail::Command(command)) => Err(command),
            _ => Ok(()),
        }
    }

    fn say(&self, thread: usize, mail: Mail<H>) -> Result<(), MailboxFull> {
        self.put(thread, mail).map_err(|_| MailboxFull)
    }

    pub(crate) fn put(&self, thread: usize, mail: Mail<H>) -> Result<(), Mail<H>> {
        match self.0.threads.get(thread) {
            Some(thread) => thread.mailbox.put(mail).map_err(|Full(mail)| mail),
            None => Err(mail),
        }
    }

    /// Gives a connection to a thread, and counts it there.
    pub(crate) fn hand_over(&self, thread: usize, mail: Mail<H>) -> Result<(), Mail<H>> {
        // Before it arrives: of many that are accepted at once, not all go to the same thread.
        self.load(thread, 1);
        self.put(thread, mail).inspect_err(|_| self.load(thread, -1))
    }

    pub(crate) fn mailbox(&self, thread: usize) -> &Mailbox<Mail<H>> {
        &self.0.threads[thread].mailbox
    }

    pub(crate) fn least_loaded(&self) -> usize {
        let load = |at: &usize| self.0.threads[*at].load.load(Ordering::Relaxed);
        (0..self.thread_count()).min_by_key(load).unwrap_or(0)
    }

    /// So many connections more, or fewer.
    pub(crate) fn load(&self, thread: usize, more: isize) {
        let load = &self.0.threads[thread].load;
        load.fetch_add(more.cast_unsigned(), Ordering::Relaxed);
    }

    pub(crate) fn stop(&self, within: Duration) {
        // Who asks first decides how long it may take.
        let _ = self.0.stop_within.set(within);
        self.0.threads.iter().for_each(|thread| thread.mailbox.wake());
    }

    /// Ends the threads without a word to anybody.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.threads.iter().for_each(|thread| thread.mailbox.wake());
    }

    /// A thread has ended. What waits for it is dropped, and nothing is taken any more: a connection
    /// that was on its way shall not hang in the mailbox.
    pub(crate) fn end(&self, thread: usize) {
        for mail in self.0.threads[thread].mailbox.close() {
            if let Mail::Accepted { .. } | Mail::Adopt(_) = mail {
                self.load(thread, -1);
            }
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    pub(crate) fn stop_within(&self) -> Option<Duration> {
        self.0.stop_within.get().copied()
    }
}

impl<H: Handler> Clone for Remote<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> fmt::Debug for Remote<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("thread_count", &self.thread_count())
            .field("connection_count", &self.connection_count())
            .finish_non_exhaustive()
    }
}
