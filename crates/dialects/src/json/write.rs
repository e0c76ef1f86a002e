//! [`Object`]: JSON written straight into what is sent, without values in between.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidewire_hub::Data;

/// An object under construction at the end of a string. Members that are zero are mostly left out,
/// so those methods are the short ones; [`end`](Self::end) closes it.
#[must_use = "an object has an end"]
pub(crate) struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// Begins a member; its value is to be written next. Keys of ours need no escapes.
    pub(crate) fn key(&mut self, key: &'static str) -> &mut String {
        self.comma();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    /// Begins a member whose key is somebody else's.
    pub(crate) fn entry(&mut self, key: &str) -> &mut String {
        self.comma();
        push_text(self.out, key);
        self.out.push(':');
        self.out
    }

    /// A member that is an object.
    pub(crate) fn object(&mut self, key: &'static str) -> Object<'_> {
        Object::open(self.key(key))
    }

    /// A string, whatever it is.
    pub(crate) fn text_always(&mut self, key: &'static str, text: &str) {
        push_text(self.key(key), text);
    }

    /// A number, whatever it is.
    pub(crate) fn number_always(&mut self, key: &'static str, number: u64) {
        push_number(self.key(key), number);
    }

    /// A string, unless it is empty.
    pub(crate) fn text(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            self.text_always(key, text);
        }
    }

    /// A number, unless it is zero.
    pub(crate) fn number(&mut self, key: &'static str, number: u64) {
        if number != 0 {
            self.number_always(key, number);
        }
    }

    /// `true`, or nothing.
    pub(crate) fn flag(&mut self, key: &'static str, flag: bool) {
        if flag {
            self.key(key).push_str("true");
        }
    }

    /// A payload, or nothing.
    pub(crate) fn data(&mut self, key: &'static str, data: Option<&Data>) {
        if let Some(data) = data
            && !data.is_empty()
        {
            push_data(self.key(key), data);
        }
    }

    /// A list, each item written by `push`.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut push: impl FnMut(&mut String, T),
    ) {
        let out = self.key(key);
        out.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push(out, item);
        }
        out.push(']');
    }

    /// Closes it.
    pub(crate) fn end(self) {
        self.out.push('}');
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
    }
}

/// A payload. JSON stands as it is; bytes are a string of base64 (RFC 4648 §4).
///
/// The protocol's own way with bytes for a JSON client is to end its session for good, which lets one
/// publisher throw out a whole channel. A string harms nobody, and whoever expects bytes can have them.
pub(crate) fn push_data(out: &mut String, data: &Data) {
    match data {
        Data::Json(text) => out.push_str(text),
        Data::Binary(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
    }
}

/// A string, with its quotation marks.
pub(crate) fn push_text(out: &mut String, text: &str) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Names with escapes are rare; `Value` writes them without a `Result`.
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// A number in decimal.
pub(crate) fn push_number(out: &mut String, mut number: u64) {
    // 20 digits: `u64::MAX` has as many.
    let mut digits = [0_u8; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        // The remainder is below ten.
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[from..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn an_object() {
        let json = written(|out| {
            let mut object = Object::open(out);
            object.text("none", "");
            object.number("zero", 0);
            object.flag("no", false);
            object.data("nothing", None);
            object.text_always("empty", "");
            object.number_always("nought", 0);
            object.text("text", "a\"b");
            object.number("number", 10);
            object.flag("yes", true);
            object.data("data", Some(&Data::Binary(Bytes::from_static(b"\xFF\x00"))));
            object.list("list", [1, 2], push_number);
            object.object("object").end();
            push_number(object.entry("a\nb"), 1);
            object.end();
        });
        assert_eq!(
            json,
            r#"{"empty":"","nought":0,"text":"a\"b","number":10,"yes":true,"data":"/wA=","list":[1,2],"object":{},"a\nb":1}"#
        );
    }

    proptest! {
        /// The string that is written is the string that is read.
        #[test]
        fn strings_are_read_back(text: String) {
            let json = written(|out| push_text(out, &text));
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn numbers_are_read_back(number: u64) {
            prop_assert_eq!(written(|out| push_number(out, number)), number.to_string());
        }
    }
}
