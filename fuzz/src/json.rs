//! JSON by the grammar of RFC 8259, one function for each rule of it, over characters: an oracle for those
//! who read and write it.

use std::{iter::Peekable, str::Chars};

/// A value without what stands between its tokens, and how deep it nests; `None` if it is none.
pub fn minified(text: &str) -> Option<(String, usize)> {
    let mut reader = Reader { rest: text.chars().peekable(), kept: String::new(), depth_max: 0 };
    reader.value()?;
    reader.rest.peek().is_none().then_some((reader.kept, reader.depth_max))
}

/// A string as a value of JSON, with an escape for everything that may have one.
pub fn string(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    kept: String,
    depth_max: usize,
}

impl Reader<'_> {
    /// §3, with the white space around it. What nests is a stack rather than calls of calls.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.space();
            match *self.rest.peek()? {
                bracket @ ('[' | '{') => {
                    self.take();
                    open.push(bracket);
                    self.depth_max = self.depth_max.max(open.len());
                    self.space();
                    if !self.is_closed_by(&open) {
                        if bracket == '{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                '"' => self.string()?,
                '-' | '0'..='9' => self.number()?,
                _ => self.literal()?,
            }
            // A value has ended, and with it perhaps those around it.
            loop {
                self.space();
                let Some(bracket) = open.last() else { return Some(()) };
                if self.is_closed_by(&open) {
                    self.take();
                    open.pop();
                    continue;
                }
                let in_object = *bracket == '{';
                self.expect(|next| next == ',')?;
                if in_object {
                    self.space();
                    self.name()?;
                }
                break;
            }
        }
    }

    fn is_closed_by(&mut self, open: &[char]) -> bool {
        match open.last() {
            Some('{') => self.rest.peek() == Some(&'}'),
            Some(_) => self.rest.peek() == Some(&']'),
            None => false,
        }
    }

    /// §4
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.space();
        self.expect(|next| next == ':')
    }

    /// §6
    fn number(&mut self) -> Option<()> {
        if self.rest.peek() == Some(&'-') {
            self.take();
        }
        if self.rest.peek() == Some(&'0') {
            self.take();
        } else {
            self.digits()?;
        }
        if self.rest.peek() == Some(&'.') {
            self.take();
            self.digits()?;
        }
        if matches!(self.rest.peek(), Some('e' | 'E')) {
            self.take();
            if matches!(self.rest.peek(), Some('+' | '-')) {
                self.take();
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        self.expect(|next| next.is_ascii_digit())?;
        while self.rest.peek().is_some_and(char::is_ascii_digit) {
            self.take();
        }
        Some(())
    }

    /// §7
    fn string(&mut self) -> Option<()> {
        self.expect(|next| next == '"')?;
        loop {
            match self.take()? {
                '"' => return Some(()),
                '\\' => match self.take()? {
                    '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                    'u' => (0..4).try_for_each(|_| self.expect(|next| next.is_ascii_hexdigit()))?,
                    _ => return None,
                },
                '\0'..='\u{1f}' => return None,
                _ => {}
            }
        }
    }

    fn literal(&mut self) -> Option<()> {
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| self.rest.peek() == word.chars().next().as_ref())?;
        word.chars().try_for_each(|letter| self.expect(|next| next == letter))
    }

    /// §2
    fn space(&mut self) {
        while self.rest.next_if(|next| matches!(next, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    fn expect(&mut self, wanted: impl FnOnce(char) -> bool) -> Option<()> {
        wanted(self.take()?).then_some(())
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.kept.push(next);
        Some(next)
    }
}
