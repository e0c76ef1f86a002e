//! Results as Markdown, kept in sections of one file.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{Result, cli::Plan, machine, scenario::Scenario, stats::Spread};

/// One server under one kind of work.
pub(crate) struct EchoRow {
    pub(crate) scenario: Scenario,
    pub(crate) name: String,
    pub(crate) nanos: Spread,
    /// To the reference, of the pairs; the reference itself has none.
    pub(crate) ratio: Option<Spread>,
    pub(crate) messages_per_second: f64,
    pub(crate) busy: f64,
    pub(crate) user_share: Option<f64>,
}

/// One server with many idle connections: bytes for each of them.
pub(crate) struct IdleRow {
    pub(crate) name: String,
    pub(crate) before: f64,
    pub(crate) after: f64,
}

pub(crate) fn echo_section(plan: &Plan, rows: &[EchoRow]) -> String {
    let reference = &plan.servers[plan.reference].name;
    let mut out = format!(
        "## Echo: server CPU time per message\n\n{}\n\
         Medians, quartiles in parentheses, of {} pairs of {} ms each. `user` is the part of the\n\
         CPU time spent outside the kernel, `busy` the part of the time the server's core worked.\n\n\
         | work | server | ns per message | × {reference} | messages/s | busy | user |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
        machine::describe(plan.cores),
        plan.pair_count,
        plan.slice.as_millis(),
    );
    let mut scenario = None;
    for row in rows {
        let work =
            if scenario == Some(row.scenario) { String::new() } else { row.scenario.to_string() };
        scenario = Some(row.scenario);
        let ratio = row.ratio.map_or("1".to_owned(), |ratio| {
            format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high)
        });
        let user = row.user_share.map_or(String::new(), |share| format!("{:.0} %", share * 100.0));
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {work} | {} | {:.0} ({:.0}–{:.0}) | {ratio} | {:.0} | {:.0} % | {user} |",
            row.name,
            row.nanos.median,
            row.nanos.low,
            row.nanos.high,
            row.messages_per_second,
            row.busy * 100.0,
        );
    }
    out
}

pub(crate) fn idle_section(plan: &Plan, rows: &[IdleRow]) -> String {
    let mut out = format!(
        "## Idle: memory per connection\n\n{}\n\
         Growth of the server's resident memory (RSS) over {} open connections, divided by their\n\
         number: before any message, and after one of 125 bytes was echoed on each. The kernel's\n\
         socket memory is not part of it.\n\n\
         | server | bytes before a message | bytes after one |\n\
         |---|---:|---:|\n",
        machine::describe(plan.cores),
        plan.idle_count,
    );
    for row in rows {
        let _ = writeln!(out, "| {} | {:.0} | {:.0} |", row.name, row.before, row.after);
    }
    out
}

const HEADING: &str = "# Results\n\n\
    Written by the command that stands in each section; how it measures: [README](README.md).\n";

/// Puts `section` where the section `name` of the file is, or at its end.
pub(crate) fn replace_section(path: &Path, name: &str, section: &str) -> Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEADING.to_owned(),
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    };
    fs::write(path, with_section(&text, name, section))
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

fn with_section(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let section = format!("{begin}{section}{end}");
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{section}{}", &text[..from], &text[to + end.len()..])
        }
        _ => format!("{}\n\n{section}", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_where_it_stands() {
        let one = with_section("# Results\n", "echo", "a\n");
        let two = with_section(&one, "idle", "b\n");
        assert_eq!(
            with_section(&two, "echo", "c\n"),
            "# Results\n\n<!-- echo -->\nc\n<!-- /echo -->\n\n<!-- idle -->\nb\n<!-- /idle -->\n"
        );
    }
}
