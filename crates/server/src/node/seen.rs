//! [`Seen`]: which commands of a session have come already.

/// A request that got no answer is sent again, though it may have arrived: a command with an id that
/// came before is not carried out once more.
///
/// Clients count their ids upwards and may send several requests at once, so the latest
/// 128 ids are remembered, and lower ones taken for old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    top: u32,
    /// Bit n: the id `top - n` has come.
    bits: u128,
}

impl Seen {
    /// Whether this id is new; it is not any more. Zero is no id.
    pub(crate) fn is_new(&mut self, id: u32) -> bool {
        if id == 0 {
            return true;
        }
        if id > self.top {
            self.bits = self.bits.checked_shl(id - self.top).unwrap_or(0) | 1;
            self.top = id;
            return true;
        }
        let Some(bit) = 1_u128.checked_shl(self.top - id) else { return false };
        let is_new = self.bits & bit == 0;
        self.bits |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_counts_once_in_any_order() {
        let mut seen = Seen::default();
        let steps = [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (0, true),
            (0, true),
            (130, true),
            (3, false),
            (4, true),
            (200, true),
            (72, false),
            (73, true),
            (73, false),
            (u32::MAX, true),
            (u32::MAX, false),
            (u32::MAX - 128, false),
            (u32::MAX - 127, true),
            (200, false),
        ];
        for (id, is_new) in steps {
            assert_eq!(seen.is_new(id), is_new, "{id} {seen:?}");
        }
    }
}
