//! [`History`]: what was said lately.

use std::collections::VecDeque;

use super::{limits::ChatLimits, wire::Said};

/// The last messages of a room, bounded in number and bytes.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Each with the bytes that it costs.
    said: VecDeque<(Said, usize)>,
    len: usize,
    offset: u64,
}

impl History {
    /// The number of the next message: they are numbered from one on.
    pub(crate) const fn next_offset(&mut self) -> u64 {
        self.offset += 1;
        self.offset
    }

    /// Remembers a message of `len` bytes, as it is sent, and forgets the oldest where there are too
    /// many.
    pub(crate) fn push(&mut self, said: Said, len: usize, limits: &ChatLimits) {
        self.len += len;
        self.said.push_back((said, len));
        while self.said.len() > limits.history_count_max || self.len > limits.history_len_max {
            let Some((_, len)) = self.said.pop_front() else { break };
            self.len -= len;
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Said> {
        self.said.iter().map(|(said, _)| said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let limits =
            ChatLimits { history_count_max: 3, history_len_max: 1000, ..ChatLimits::default() };
        let cases: &[(&str, &[usize], &[u64])] = &[
            ("at the limit of number", &[300, 300, 300], &[1, 2, 3]),
            ("number + 1", &[300, 300, 300, 300], &[2, 3, 4]),
            ("at the limit of bytes", &[500, 500], &[1, 2]),
            ("bytes + 1", &[500, 501], &[2]),
            ("one that is larger than all", &[500, 1001], &[]),
        ];
        for (rule, lens, kept) in cases {
            let mut history = History::default();
            for &len in *lens {
                let offset = history.next_offset();
                history.push(Said { offset, ..Said::default() }, len, &limits);
            }
            assert_eq!(history.iter().map(|said| said.offset).collect::<Vec<_>>(), *kept, "{rule}");
        }
    }
}
