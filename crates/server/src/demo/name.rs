//! [`Name`]: what somebody in the chat is called.

/// A name that can be shown: not empty, one line, nothing invisible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name, and joins the words in it by single spaces.
    pub(crate) fn new(name: &str, len_max: usize) -> Result<Self, NameError> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.chars().count() > len_max {
            return Err(NameError::TooLong { len_max });
        }
        // A colon ends the name where bare clients read it.
        if name.chars().any(|c| c == ':' || c.is_control() || is_invisible(c)) {
            return Err(NameError::Character);
        }
        Ok(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing, or turn round what follows: one could take another's name by them.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Why something is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameError {
    Empty,
    TooLong { len_max: usize },
    Character,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_rule() {
        let cases: &[(&str, &str, Result<&str, NameError>)] = &[
            ("as it is", "Ada", Ok("Ada")),
            ("of several words", " Ada \n Lovelace ", Ok("Ada Lovelace")),
            ("of any script", "Κλειώ 🌊", Ok("Κλειώ 🌊")),
            ("at the limit", "12345678", Ok("12345678")),
            ("limit + 1", "123456789", Err(NameError::TooLong { len_max: 8 })),
            ("empty", " \t ", Err(NameError::Empty)),
            ("a colon", "User: hi", Err(NameError::Character)),
            ("a control character", "A\u{1b}[2J", Err(NameError::Character)),
            ("turned round", "\u{202e}adA", Err(NameError::Character)),
            ("invisible", "Ada\u{200b}", Err(NameError::Character)),
        ];
        for (rule, given, wanted) in cases {
            let len_max = if given.len() < 10 { 8 } else { 32 };
            let name = Name::new(given, len_max);
            assert_eq!(name.as_ref().map(Name::as_str).map_err(|error| *error), *wanted, "{rule}");
        }
    }
}
