//! [`Mailbox`]: how other threads reach an event loop.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A bounded queue into a thread. However much is put into it while the thread is busy, the thread
/// is woken once.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    limits: MailLimits,
    wakes: AtomicBool,
    event: OwnedFd,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MailLimits {
    pub(crate) count_max: usize,
    /// In bytes.
    pub(crate) len_max: usize,
}

/// What can be put into a mailbox.
pub(crate) trait Weigh {
    /// Bytes that are held while it waits.
    fn weight(&self) -> usize;
}

#[derive(Debug)]
struct Queue<T> {
    mail: VecDeque<T>,
    /// All weights.
    len: usize,
    /// Nobody will take any more.
    closed: bool,
}

/// The mailbox is full: the thread does not keep up, or has ended. What did not fit comes back.
#[derive(Debug)]
pub(crate) struct Full<T>(pub(crate) T);

impl<T: Weigh> Mailbox<T> {
    pub(crate) fn new(limits: MailLimits) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let queue = Mutex::new(Queue { mail: VecDeque::new(), len: 0, closed: false });
        Ok(Self { queue, limits, wakes: AtomicBool::new(false), event })
    }

    pub(crate) fn put(&self, mail: T) -> Result<(), Full<T>> {
        let weight = mail.weight();
        let mut queue = self.lock();
        let len = queue.len.saturating_add(weight);
        if queue.closed || queue.mail.len() >= self.limits.count_max || len > self.limits.len_max {
            return Err(Full(mail));
        }
        queue.len = len;
        queue.mail.push_back(mail);
        drop(queue);
        self.wake();
        Ok(())
    }

    /// Wakes the thread, unless somebody has already done so since it last looked.
    pub(crate) fn wake(&self) {
        if !self.wakes.swap(true, Ordering::AcqRel) {
            // It can only fail by a counter that is full; then the thread is awake anyway.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Readable when there is mail.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Takes all there is, in exchange for an empty queue.
    pub(crate) fn take(&self, empty: &mut VecDeque<T>) {
        // In this order: a wake-up that comes before the second line has put its mail in by then,
        // and one that comes after it is seen by the next turn. To swap rather than to store makes
        // visible what others did before they woke us, also where they put no mail in.
        let _ = rustix::io::read(&self.event, &mut [0; 8]); // nothing to read: drained already
        self.wakes.swap(false, Ordering::AcqRel);
        let mut queue = self.lock();
        queue.len = 0;
        mem::swap(&mut queue.mail, empty);
    }

    /// The thread ends: what waits comes back, and nothing is taken any more.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut queue = self.lock();
        queue.closed = true;
        mem::take(&mut queue.mail)
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Nothing in here panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    const SOME: MailLimits = MailLimits { count_max: 2, len_max: usize::MAX };

    impl Weigh for char {
        fn weight(&self) -> usize {
            self.len_utf8()
        }
    }

    impl Weigh for (usize, usize) {
        fn weight(&self) -> usize {
            0
        }
    }

    #[test]
    fn it_holds_so_many_bytes() {
        let mailbox = Mailbox::new(MailLimits { count_max: 10, len_max: 5 }).unwrap();
        assert!(matches!(mailbox.put('🌊'), Ok(())));
        assert!(matches!(mailbox.put('é'), Err(Full('é'))), "6 bytes");
        assert!(mailbox.put('a').is_ok(), "5 bytes");
        assert!(matches!(mailbox.put('b'), Err(Full('b'))));
        let mut mail = VecDeque::new();
        mailbox.take(&mut mail);
        assert_eq!(mail, ['🌊', 'a']);
        assert!(mailbox.put('é').is_ok(), "what was taken does not count any more");
    }

    #[test]
    fn it_holds_so_many_and_wakes_once() {
        let mailbox = Mailbox::new(SOME).unwrap();
        assert!(mailbox.put('a').is_ok() && mailbox.put('b').is_ok());
        assert!(matches!(mailbox.put('c'), Err(Full('c'))));
        let mut counter = [0; 8];
        assert_eq!(rustix::io::read(mailbox.event(), &mut counter), Ok(8));
        assert_eq!(u64::from_ne_bytes(counter), 1);
        let mut mail = VecDeque::new();
        mailbox.take(&mut mail);
        assert_eq!(mail, ['a', 'b']);
        assert!(mailbox.put('d').is_ok());
        assert_eq!(rustix::io::read(mailbox.event(), &mut counter), Ok(8));
    }

    /// X7: no wake-up is lost, however the threads meet; a lost one would be waited for in vain.
    #[test]
    fn x7_nobody_is_left_asleep() {
        const COUNT: usize = 20_000;
        let mailbox = Mailbox::new(MailLimits { count_max: 64, ..SOME }).unwrap();
        let mut taken = [0; 4];
        std::thread::scope(|scope| {
            for sender in 0..taken.len() {
                let mailbox = &mailbox;
                scope.spawn(move || {
                    for number in 0..COUNT {
                        let mut mail = (sender, number);
                        while let Err(Full(back)) = mailbox.put(mail) {
                            mail = back;
                            std::thread::yield_now();
                        }
                    }
                });
            }
            let mut mail = VecDeque::new();
            while taken.iter().sum::<usize>() < taken.len() * COUNT {
                let mut asked = [PollFd::new(&mailbox.event, PollFlags::IN)];
                let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
                assert_eq!(
                    poll(&mut asked, Some(&patience)),
                    Ok(1),
                    "asleep, with mail: {taken:?}"
                );
                mailbox.take(&mut mail);
                for (sender, number) in mail.drain(..) {
                    assert_eq!(number, taken[sender], "in the order of each sender");
                    taken[sender] += 1;
                }
            }
        });
    }

    #[test]
    fn who_has_ended_takes_nothing_any_more() {
        let mailbox = Mailbox::new(SOME).unwrap();
        assert!(mailbox.put('a').is_ok());
        assert_eq!(mailbox.close(), ['a']);
        assert!(matches!(mailbox.put('b'), Err(Full('b'))));
    }
}
