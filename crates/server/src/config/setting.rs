//! [`Setting`]: an option, a list of them or a table of them: read from files and texts, and described.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::{Findings, Place},
    scalar::{Scalar, type_of},
    suggest::suggestion,
};

/// Something that can be configured.
pub(super) trait Setting {
    /// Takes what the file says. What is wrong goes to `findings`, and the rest is still looked at.
    fn read(&mut self, value: &Spanned<DeValue<'_>>, option: &str, findings: &mut Findings);

    /// Takes a text for the option of that path below this one.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    fn set(&mut self, path: &[&str], text: &str) -> Result<(), String>;

    /// Tells of this option, with this documentation, and of those below it.
    fn describe(&self, option: &str, doc: &[&str], out: &mut Vec<Description>);
}

/// What `tidewire config` says of an option, or of a table of options.
#[derive(Debug, Clone)]
pub(super) struct Description {
    /// The path of it.
    pub(super) option: String,
    pub(super) doc: Vec<String>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// `[option]`.
    Table,
    /// `[[option]]`, with what may stand in each below it.
    Tables,
    /// One value.
    Value {
        /// As it would be written; `None` where nothing is set or it is a secret.
        shown: Option<String>,
        /// What may be written.
        expected: &'static str,
        secret: bool,
    },
}

impl<T: Scalar> Setting for T {
    fn read(&mut self, value: &Spanned<DeValue<'_>>, option: &str, findings: &mut Findings) {
        match T::from_value(value.get_ref()) {
            Ok(read) => *self = read,
            Err(sentence) => findings.object(option, sentence),
        }
    }

    fn set(&mut self, path: &[&str], text: &str) -> Result<(), String> {
        let [] = path else { return Err(unknown_below(path)) };
        *self = T::from_text(text)?;
        Ok(())
    }

    fn describe(&self, option: &str, doc: &[&str], out: &mut Vec<Description>) {
        out.push(described::<T>(option, doc, self.show(), T::EXPECTED));
    }
}

impl<T: Scalar> Setting for Option<T> {
    fn read(&mut self, value: &Spanned<DeValue<'_>>, option: &str, findings: &mut Findings) {
        match T::from_value(value.get_ref()) {
            Ok(read) => *self = Some(read),
            Err(sentence) => findings.object(option, sentence),
        }
    }

    fn set(&mut self, path: &[&str], text: &str) -> Result<(), String> {
        let [] = path else { return Err(unknown_below(path)) };
        *self = Some(T::from_text(text)?);
        Ok(())
    }

    fn describe(&self, option: &str, doc: &[&str], out: &mut Vec<Description>) {
        out.push(described::<T>(option, doc, self.as_ref().and_then(T::show), T::EXPECTED));
    }
}

/// A list of values, in one line.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "it is its items")]
pub struct List<T>(pub Vec<T>);

impl<T: Scalar> Setting for List<T> {
    fn read(&mut self, value: &Spanned<DeValue<'_>>, option: &str, findings: &mut Findings) {
        let Some(items) = value.get_ref().as_array() else {
            let there = type_of(value.get_ref());
            return findings.object(option, format!("this is {there}, and it takes a list"));
        };
        match items.iter().map(|item| T::from_value(item.get_ref())).collect() {
            Ok(items) => self.0 = items,
            Err(sentence) => findings.object(option, sentence),
        }
    }

    /// With commas between them: none of what stands in lists has one in it.
    fn set(&mut self, path: &[&str], text: &str) -> Result<(), String> {
        let [] = path else { return Err(unknown_below(path)) };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        self.0 = items.map(T::from_text).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn describe(&self, option: &str, doc: &[&str], out: &mut Vec<Description>) {
        let items: Vec<_> = self.0.iter().filter_map(T::show).collect();
        let shown = (!T::SECRET).then(|| format!("[{}]", items.join(", ")));
        out.push(described::<T>(option, doc, shown, T::EXPECTED));
    }
}

/// A list of tables: `[[option]]`.
impl<T: Setting + Default> Setting for Vec<T> {
    fn read(&mut self, value: &Spanned<DeValue<'_>>, option: &str, findings: &mut Findings) {
        let Some(items) = value.get_ref().as_array() else {
            let there = type_of(value.get_ref());
            return findings
                .object(option, format!("this is {there}, and it takes a list of tables"));
        };
        self.clear();
        for (index, item) in items.iter().enumerate() {
            let option = format!("{option}[{index}]");
            findings.places.insert(option.clone(), Place::File(item.span().start));
            let mut table = T::default();
            table.read(item, &option, findings);
            self.push(table);
        }
    }

    /// As in a file: `[{ name = "news", history_size = 10 }]`.
    fn set(&mut self, path: &[&str], text: &str) -> Result<(), String> {
        let [] = path else { return Err("write the whole list, as in a file".to_owned()) };
        let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
        let mut findings = Findings::default();
        self.read(&value, "", &mut findings);
        match findings.problems.first() {
            Some(problem) => Err(format!("{}: {}", problem.option, problem.sentence)),
            None => Ok(()),
        }
    }

    fn describe(&self, option: &str, doc: &[&str], out: &mut Vec<Description>) {
        let kind = Kind::Tables;
        out.push(Description { option: option.to_owned(), doc: lines(doc), kind });
        let item = T::default();
        let items: &[T] = if self.is_empty() { &[item] } else { self };
        for (index, item) in items.iter().enumerate() {
            let mut fields = Vec::new();
            item.describe(option, &[], &mut fields);
            // The first is the table itself, which stands there already for the first item.
            if let Some(first) = fields.first_mut().filter(|_| index > 0) {
                first.kind = Kind::Tables;
                out.append(&mut fields);
            } else {
                out.extend(fields.into_iter().skip(1));
            }
        }
    }
}

/// A struct whose fields are options, with their defaults and their documentation in one place: whoever
/// reads the code, a file that is refused, and `tidewire config` see the same words.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident {
            $( $(#[doc = $field_doc:literal])+ $field:ident: $type:ty = $default:expr, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[expect(clippy::exhaustive_structs, reason = "it is read where it is needed")]
        pub struct $name {
            $( $(#[doc = $field_doc])+ pub $field: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl $crate::config::setting::Setting for $name {
            fn read(
                &mut self,
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                option: &str,
                findings: &mut $crate::config::problem::Findings,
            ) {
                let known = [$( stringify!($field) ),+];
                $crate::config::setting::each_of_table(value, option, &known, findings, |key, value, option, findings| {
                    match key {
                        $( stringify!($field) => {
                            $crate::config::setting::Setting::read(&mut self.$field, value, option, findings);
                        } )+
                        _ => {}
                    }
                });
            }

            fn set(&mut self, path: &[&str], text: &str) -> Result<(), String> {
                match path {
                    $( [stringify!($field), rest @ ..] => {
                        $crate::config::setting::Setting::set(&mut self.$field, rest, text)
                    } )+
                    [first, ..] => {
                        Err($crate::config::setting::unknown(first, &[$( stringify!($field) ),+]))
                    }
                    [] => Err("this is a table of options; name one of them".to_owned()),
                }
            }

            fn describe(
                &self,
                option: &str,
                doc: &[&str],
                out: &mut Vec<$crate::config::setting::Description>,
            ) {
                let doc = if doc.is_empty() { &[$($doc),+][..] } else { doc };
                out.push($crate::config::setting::table(option, doc));
                $( $crate::config::setting::Setting::describe(
                    &self.$field,
                    &$crate::config::setting::below(option, stringify!($field)),
                    &[$($field_doc),+],
                    out,
                ); )+
            }
        }
    };
}

pub(super) use section;

/// Hands each known key of a table on, and remembers where it stands; the others are found fault with.
pub(super) fn each_of_table(
    value: &Spanned<DeValue<'_>>,
    option: &str,
    known: &[&str],
    findings: &mut Findings,
    mut each: impl FnMut(&str, &Spanned<DeValue<'_>>, &str, &mut Findings),
) {
    let Some(table) = value.get_ref().as_table() else {
        let there = type_of(value.get_ref());
        return findings.object(option, format!("this is {there}, and it takes a table"));
    };
    for (key, value) in in_order(table) {
        let name: &str = key.get_ref();
        let option = below(option, name);
        findings.places.insert(option.clone(), Place::File(key.span().start));
        if known.contains(&name) {
            each(name, value, &option, findings);
        } else {
            findings.object(&option, unknown(name, known));
        }
    }
}

type Entry<'t, 'i> = (&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>);

/// As they stand in the file, so that problems are told from its top to its end.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Entry<'t, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

pub(super) fn below(option: &str, field: &str) -> String {
    if option.is_empty() { field.to_owned() } else { format!("{option}.{field}") }
}

pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    match suggestion(name, known) {
        Some(meant) => format!("there is no such option; did you mean {meant}?"),
        None => format!("there is no such option here; there are {}", known.join(", ")),
    }
}

fn unknown_below(path: &[&str]) -> String {
    format!("this is one option; there is no {} in it", path.join("."))
}

pub(super) fn table(option: &str, doc: &[&str]) -> Description {
    Description { option: option.to_owned(), doc: lines(doc), kind: Kind::Table }
}

fn described<T: Scalar>(
    option: &str,
    doc: &[&str],
    shown: Option<String>,
    expected: &'static str,
) -> Description {
    let kind = Kind::Value { shown, expected, secret: T::SECRET };
    Description { option: option.to_owned(), doc: lines(doc), kind }
}

fn lines(doc: &[&str]) -> Vec<String> {
    doc.iter().map(|line| line.trim().to_owned()).collect()
}
