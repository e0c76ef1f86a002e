//! [`Runs`]: what is published during a turn, joined once for all who receive the same.
//!
//! Nearly all receivers of a publication have received the same ones before it in this turn. So a
//! connection does not keep a list of frames, but the place in a tree where its list ends; lists
//! that are equal end at the same place, and its frames are joined there once.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A list of frames: where in the tree it ends. Zero is the empty list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run(u32);

impl Run {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// The tree of one turn.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    nodes: Vec<Node>,
    /// The last step that was looked up: fan-out asks for the same one again and again.
    recent: Option<Step>,
}

#[derive(Debug)]
struct Node {
    parent: Run,
    frame: Bytes,
    /// Bytes of the whole list.
    len: usize,
    joined: Option<Bytes>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    parent: Run,
    frame: *const u8,
    to: Run,
}

/// A list is not made longer than this: it is as much as one write takes at best.
const RUN_LEN_MAX: usize = 256 << 10;

/// Different lists in one turn; beyond, each receiver has a list of its own.
const NODE_COUNT_MAX: usize = 4096;

/// How many of the newest nodes are looked at for a step that was made before.
const LOOKED_AT_MAX: usize = 8;

impl Runs {
    /// The list that is `run` and then `frame`; `None` if that is too much for one turn.
    pub(crate) fn extended(&mut self, run: Run, frame: &Bytes) -> Option<Run> {
        let address = frame.as_ptr();
        if let Some(step) = self.recent
            && step.parent == run
            && step.frame == address
        {
            return Some(step.to);
        }
        let to = self.find(run, frame).or_else(|| self.push(run, frame))?;
        self.recent = Some(Step { parent: run, frame: address, to });
        Some(to)
    }

    fn find(&self, parent: Run, frame: &Bytes) -> Option<Run> {
        let newest = self.nodes.iter().enumerate().rev().take(LOOKED_AT_MAX);
        let found = newest
            .filter(|(_, node)| node.parent == parent && node.frame.as_ptr() == frame.as_ptr());
        found.map(|(at, _)| Self::at(at)).next()
    }

    fn push(&mut self, parent: Run, frame: &Bytes) -> Option<Run> {
        let len = self.len(parent) + frame.len();
        if self.nodes.len() == NODE_COUNT_MAX || (!parent.is_empty() && len > RUN_LEN_MAX) {
            return None;
        }
        // The node holds the frame, so its address stays its own for the turn.
        self.nodes.push(Node { parent, frame: frame.clone(), len, joined: None });
        Some(Self::at(self.nodes.len() - 1))
    }

    /// Its frames, one behind the other.
    pub(crate) fn joined(&mut self, run: Run) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        let Some(at) = Self::place(run) else { return &NOTHING };
        if self.nodes[at].parent.is_empty() {
            return &self.nodes[at].frame;
        }
        if self.nodes[at].joined.is_none() {
            self.nodes[at].joined = Some(self.join(run));
        }
        self.nodes[at].joined.as_ref().unwrap_or(&NOTHING)
    }

    fn join(&self, run: Run) -> Bytes {
        let mut joined = BytesMut::with_capacity(self.len(run));
        let mut frames = Vec::new();
        let mut end = run;
        while let Some(node) = self.node(end) {
            frames.push(&node.frame);
            end = node.parent;
        }
        frames.iter().rev().for_each(|frame| joined.put_slice(frame));
        joined.freeze()
    }

    pub(crate) fn len(&self, run: Run) -> usize {
        self.node(run).map_or(0, |node| node.len)
    }

    /// The turn is over. Nobody may hold a list any more.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.recent = None;
    }

    fn node(&self, run: Run) -> Option<&Node> {
        self.nodes.get(Self::place(run)?)
    }

    fn place(run: Run) -> Option<usize> {
        (run.0 as usize).checked_sub(1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "NODE_COUNT_MAX is less")]
    const fn at(place: usize) -> Run {
        Run(place as u32 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn equal_lists_are_joined_once() {
        let mut runs = Runs::default();
        let (a, b, c) = (frame("aa"), frame("b"), frame("ccc"));
        let mut ends = [Run::EMPTY; 3];
        for frame in [&a, &b] {
            for end in &mut ends[..2] {
                *end = runs.extended(*end, frame).unwrap();
            }
        }
        ends[2] = runs.extended(ends[2], &b).unwrap();
        ends[1] = runs.extended(ends[1], &c).unwrap();
        let joined = ends.map(|end| runs.joined(end).clone());
        assert_eq!(joined, [frame("aab"), frame("aabccc"), frame("b")]);
        assert_eq!(runs.joined(ends[0]).as_ptr(), joined[0].as_ptr());
        assert_eq!(runs.len(ends[1]), 6);
        assert_eq!(runs.nodes.len(), 4);
    }

    #[test]
    fn a_list_has_an_end() {
        let mut runs = Runs::default();
        let large = Bytes::from(vec![0; RUN_LEN_MAX]);
        let one = runs.extended(Run::EMPTY, &large).unwrap();
        assert_eq!(runs.extended(one, &frame("x")), None);
        assert_eq!(runs.len(one), RUN_LEN_MAX);
        let mut runs = Runs::default();
        let frames: Vec<_> = (0..=NODE_COUNT_MAX).map(|i| Bytes::from(i.to_string())).collect();
        let ends = frames.iter().map(|frame| runs.extended(Run::EMPTY, frame));
        assert_eq!(ends.filter(Option::is_none).count(), 1);
    }

    #[test]
    fn a_larger_frame_is_a_list_of_its_own() {
        let mut runs = Runs::default();
        let large = Bytes::from(vec![7; 2 * RUN_LEN_MAX]);
        let run = runs.extended(Run::EMPTY, &large).unwrap();
        assert_eq!(runs.joined(run).as_ptr(), large.as_ptr(), "not copied");
    }
}
