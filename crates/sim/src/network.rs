//! [`Link`]: a bounded queue from one part of a node to another, through which things take time.

use std::collections::VecDeque;

use crate::random::Random;

/// First in, first out; what goes over different links overtakes each other.
#[derive(Debug)]
pub(crate) struct Link<T> {
    queue: VecDeque<(u64, T)>,
    count_max: usize,
    delay_max: u64,
}

impl<T> Link<T> {
    /// One that holds so many, each for so many milliseconds at most.
    pub(crate) fn new(count_max: usize, delay_max: u64) -> Self {
        Self { queue: VecDeque::new(), count_max, delay_max }
    }

    /// Puts something in. It comes back if there is no room.
    pub(crate) fn put(&mut self, now: u64, random: &mut Random, thing: T) -> Result<(), T> {
        if self.queue.len() >= self.count_max {
            return Err(thing);
        }
        let last = self.queue.back().map_or(0, |(at, _)| *at);
        let at = last.max(now + random.below(self.delay_max + 1));
        self.queue.push_back((at, thing));
        Ok(())
    }

    /// Takes out what has arrived by now, one thing.
    pub(crate) fn take(&mut self, now: u64) -> Option<T> {
        let (at, _) = self.queue.front()?;
        (*at <= now).then(|| self.queue.pop_front())?.map(|(_, thing)| thing)
    }

    /// From now on nothing takes long, and there is room for everything.
    pub(crate) fn clear_up(&mut self) {
        (self.delay_max, self.count_max) = (5, usize::MAX);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
