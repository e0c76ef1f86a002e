//! All options as text: what `tidewire config` prints.

use std::fmt::Write as _;

use super::{
    load::PREFIX,
    options::Options,
    setting::{Description, Kind, Setting as _},
};

/// As many columns as a line of documentation has.
const WIDTH: usize = 96;

impl Options {
    /// All options with their documentation, and the values that they have here: a file that can be read
    /// again. Secrets are left out, and what is unset is a comment.
    pub fn to_toml(&self) -> String {
        let (mut out, variables) = (String::new(), variables());
        for description in descriptions(self) {
            let Description { option, doc, kind } = &description;
            // A table begins a paragraph.
            if !out.is_empty() {
                out.push('\n');
            }
            for line in wrapped(&doc.join(" ")) {
                let _ = writeln!(out, "# {line}");
            }
            let name = option.rsplit('.').next().unwrap_or_default();
            let _ = match kind {
                Kind::Table if option.is_empty() => Ok(()),
                Kind::Table => writeln!(out, "[{option}]"),
                // Without an item the example is a comment, with all that stands in it.
                Kind::Tables if self.has_items(option) => writeln!(out, "[[{option}]]"),
                Kind::Tables => writeln!(out, "# [[{option}]]"),
                Kind::Value { shown, expected, secret } => {
                    if let Some((variable, _)) = variables.iter().find(|(_, its)| its == option) {
                        let _ = writeln!(out, "# {variable}");
                    }
                    match shown {
                        Some(shown) if self.is_live(option) => writeln!(out, "{name} = {shown}"),
                        Some(shown) => writeln!(out, "# {name} = {shown}"),
                        None if *secret => writeln!(out, "# {name} = (a secret)"),
                        None => writeln!(out, "# {name} = ({expected})"),
                    }
                }
            };
        }
        out
    }

    fn has_items(&self, option: &str) -> bool {
        match option {
            "channel.namespaces" => !self.channel.namespaces.is_empty(),
            "client.token.keys" => !self.client.token.keys.is_empty(),
            "client.subscription_token.keys" => !self.client.subscription_token.keys.is_empty(),
            _ => false,
        }
    }

    /// Whether it is not a part of an example.
    fn is_live(&self, option: &str) -> bool {
        let lists = ["channel.namespaces", "client.token.keys", "client.subscription_token.keys"];
        lists.iter().all(|list| self.has_items(list) || !option.starts_with(&format!("{list}.")))
    }
}

fn descriptions(options: &Options) -> Vec<Description> {
    let mut out = Vec::new();
    options.describe("", &[], &mut out);
    out
}

/// The environment variables that there are, with their options.
pub(super) fn variables() -> Vec<(String, String)> {
    let all = descriptions(&Options::default());
    let mut tables: Vec<String> = Vec::new();
    let mut variables = Vec::new();
    for Description { option, kind, .. } in all {
        let in_list = tables.iter().any(|table| option.starts_with(&format!("{table}.")));
        match kind {
            Kind::Tables => {
                variables.push((variable(&option), option.clone()));
                tables.push(option);
            }
            Kind::Value { .. } if !in_list => variables.push((variable(&option), option)),
            Kind::Table | Kind::Value { .. } => {}
        }
    }
    variables
}

/// The option that an environment variable stands for.
pub(super) fn option_of_variable(name: &str) -> Option<String> {
    variables().into_iter().find(|(variable, _)| variable == name).map(|(_, option)| option)
}

fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('.', "_").to_ascii_uppercase())
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
