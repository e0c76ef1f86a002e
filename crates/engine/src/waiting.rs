//! [`Waiting`]: messages that may be dropped, while their receiver is slow.

use std::collections::VecDeque;

use tidewire_proto::Prepared;

/// What is offered to a connection whose socket is full. Nothing of it has been encoded for that
/// connection yet, so to drop some of it breaks no compression context.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: VecDeque<Prepared>,
    len: usize,
}

/// What a message costs beside its bytes, which others share.
const MESSAGE_COST: usize = 64;

impl Waiting {
    /// Puts a message behind the others, and drops of the oldest ones as many as are too much. Tells
    /// how many.
    pub(crate) fn push(&mut self, message: Prepared, len_max: usize) -> usize {
        self.len += cost(&message);
        self.messages.push_back(message);
        let before = self.messages.len();
        while self.len > len_max && self.pop().is_some() {}
        before - self.messages.len()
    }

    pub(crate) fn pop(&mut self) -> Option<Prepared> {
        let message = self.messages.pop_front()?;
        self.len -= cost(&message);
        Some(message)
    }
}

fn cost(message: &Prepared) -> usize {
    message.payload().len() + MESSAGE_COST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_nothing_is_dropped_and_beyond_it_the_oldest() {
        let message = |number: u8| Prepared::new(&[number; 36][..]);
        let mut waiting = Waiting::default();
        for number in 0..3 {
            assert_eq!(waiting.push(message(number), 300), 0, "{number}");
        }
        assert_eq!(waiting.push(message(3), 300), 1);
        assert_eq!(waiting.push(message(4), 100), 3, "the limit has become smaller");
        assert_eq!(waiting.pop().map(|message| message.payload()[0]), Some(4));
        assert!(waiting.pop().is_none());
        assert_eq!(waiting.push(Prepared::new(&[0; 300][..]), 300), 1, "itself");
        assert_eq!(waiting.len, 0);
    }
}
