//! [`suggestion`]: which name was meant.

/// The one of `known` that is nearest to `name`, if it is near.
pub(super) fn suggestion<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = |known: &str| {
        // A third of it may be wrong; a part of it, or more than it, is near as well.
        let distance = distance(name, known);
        let part = name.len() > 3 && (known.contains(name) || name.contains(known));
        (distance <= known.len().max(name.len()).div_ceil(3) || part).then_some(distance)
    };
    let candidates = known.iter().filter_map(|known| Some((near(known)?, *known)));
    candidates.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// How many bytes have to be added, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, wanted) in row.iter_mut().skip(1).zip(other.bytes()) {
            let here = (left + 1).min(*cell + 1).min(diagonal + usize::from(byte != wanted));
            diagonal = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("kitten", "sitting", 3),
            ("audienc", "audience", 1),
            ("flaw", "lawn", 2),
        ];
        for (one, other, expected) in cases {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn what_was_meant() {
        let known = ["presence", "join_leave", "history_size", "history_ttl"];
        let cases = [
            ("presense", Some("presence")),
            ("history", Some("history_ttl")),
            ("historysize", Some("history_size")),
            ("joinLeave", Some("join_leave")),
            ("x", None),
            ("colour", None),
        ];
        for (name, expected) in cases {
            assert_eq!(suggestion(name, &known), expected, "{name}");
        }
    }
}
