//! Results as Markdown, kept in sections of one file.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    Result, idle, machine,
    pairs::{Figures, Row},
    plan::{Plan, Section},
    scenario::Scenario,
    task::Task,
};

pub(crate) fn paired_section(plan: &Plan, section: &Section, rows: &[Row]) -> String {
    let words = Words::of(section.task);
    let is_deflate = matches!(section.task, Task::Deflate | Task::DeflateTakeover);
    let mut out = format!(
        "## {}\n\n{}\n\
         {}\n\
         Medians, quartiles in parentheses, of {} pairs of {} ms each. `user` is the part of the\n\
         CPU time spent outside the kernel, `busy` the part of the time the server's core worked.\n\n\
         | work | server | ns per {piece} | × reference | {pieces}/s | busy | user |{}\n\
         |---|---|---:|---:|---:|---:|---:|{}\n",
        words.title,
        machine::describe(plan.cores),
        words.what,
        plan.pair_count,
        plan.slice.as_millis(),
        if is_deflate { " bytes back |" } else { "" },
        if is_deflate { "---:|" } else { "" },
        piece = words.piece,
        pieces = words.pieces,
    );
    let mut scenario = None;
    for row in rows {
        let work =
            if scenario == Some(row.scenario) { String::new() } else { row.scenario.to_string() };
        scenario = Some(row.scenario);
        // Writing to a string does not fail.
        let _ = match &row.outcome {
            Ok(figures) => {
                let back = format!(" {:.0} |", figures.came_len);
                let back = if is_deflate { back } else { String::new() };
                writeln!(out, "| {work} | {} | {} |{back}", row.name, cells(row, figures))
            }
            Err(error) => writeln!(out, "| {work} | {} | failed: {error} | | | | |", row.name),
        };
    }
    out.push_str(&growth(rows));
    out.push_str(&absent(section));
    out
}

/// Who is missing, and why: a report must not be silent about it.
fn absent(section: &Section) -> String {
    section.absent.iter().fold(String::new(), |mut out, absent| {
        let _ = writeln!(out, "\nNot measured: {}: {}.", absent.name, absent.reason);
        out
    })
}

fn cells(row: &Row, figures: &Figures) -> String {
    let ratio = match figures.ratio {
        Some(ratio) => format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high),
        None if row.is_reference => "1, the reference".to_owned(),
        None => "–".to_owned(),
    };
    let user = figures.user_share.map_or(String::new(), |share| format!("{:.0} %", share * 100.0));
    format!(
        "{:.0} ({:.0}–{:.0}) | {ratio} | {:.0} | {:.0} % | {user}",
        figures.nanos.median,
        figures.nanos.low,
        figures.nanos.high,
        figures.pieces_per_second,
        figures.busy * 100.0,
    )
}

const DEFLATE: &str = "JSON comes compressed and goes back compressed by the server. `bytes back` is a message as it\n\
    went over the wire, frame and all: times compare where these do.";

/// What a section says of its task.
struct Words {
    title: &'static str,
    what: &'static str,
    /// What the server's CPU time is divided by.
    piece: &'static str,
    pieces: &'static str,
}

impl Words {
    fn of(task: Task) -> Self {
        match task {
            Task::Echo => Self {
                title: "Echo: server CPU time per message",
                what: "Every message comes back on the connection it came by.",
                piece: "message",
                pieces: "messages",
            },
            Task::Fanout => Self {
                title: "Fan-out: server CPU time per delivery",
                what: "One connection publishes, the server sends to every connection. The work is\n\
                       named SIZExRECEIVERSxBURST: so many messages are published in one write.",
                piece: "delivery",
                pieces: "deliveries",
            },
            Task::Handshakes => Self {
                title: "Handshakes: server CPU time per connection",
                what: "Connect, upgrade, a Close each way, end. The second number of the work is how\n\
                       many are under way at once; there are no messages.",
                piece: "handshake",
                pieces: "handshakes",
            },
            Task::Tls => Self {
                title: "TLS echo: server CPU time per message",
                what: "TLS 1.3 with AES-128-GCM, handshakes not counted.",
                piece: "message",
                pieces: "messages",
            },
            Task::Deflate => Self {
                title: "permessage-deflate without context takeover: server CPU time per message",
                what: DEFLATE,
                piece: "message",
                pieces: "messages",
            },
            Task::DeflateTakeover => Self {
                title: "permessage-deflate with context takeover: server CPU time per message",
                what: DEFLATE,
                piece: "message",
                pieces: "messages",
            },
            Task::TlsIdle => Self {
                title: "TLS idle: memory per connection",
                what: "Over TLS: growth of the server's resident memory (RSS)",
                piece: "connection",
                pieces: "connections",
            },
            Task::Idle => Self {
                title: "Idle: memory per connection",
                what: "Growth of the server's resident memory (RSS)",
                piece: "connection",
                pieces: "connections",
            },
        }
    }
}

/// How the cost of a piece of work grows with the number of connections, for the kinds of work that
/// were measured at more than one number.
fn growth(rows: &[Row]) -> String {
    let kind = |scenario: &Scenario| (scenario.kind, scenario.payload_len, scenario.in_flight);
    let mut out = String::new();
    let mut done = Vec::new();
    for row in rows {
        if done.contains(&kind(&row.scenario)) {
            continue;
        }
        done.push(kind(&row.scenario));
        let relatives: Vec<&Row> =
            rows.iter().filter(|other| kind(&other.scenario) == kind(&row.scenario)).collect();
        let mut counts: Vec<usize> =
            relatives.iter().map(|row| row.scenario.connection_count).collect();
        counts.sort_unstable();
        counts.dedup();
        if counts.len() > 1 {
            out.push_str(&growth_table(&row.scenario, &counts, &relatives));
        }
    }
    out
}

fn growth_table(one: &Scenario, counts: &[usize], rows: &[&Row]) -> String {
    let mut out =
        format!("\n### Growth of {} with the connections, in ns\n\n| server |", one.work());
    for count in counts {
        let _ = write!(out, " {count} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---:|".repeat(counts.len()));
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    for name in names {
        let _ = write!(out, "| {name} |");
        for &count in counts {
            let nanos = rows
                .iter()
                .find(|row| row.name == name && row.scenario.connection_count == count)
                .and_then(|row| row.outcome.as_ref().ok())
                .map_or("–".to_owned(), |figures| format!("{:.0}", figures.nanos.median));
            let _ = write!(out, " {nanos} |");
        }
        out.push('\n');
    }
    out
}

pub(crate) fn idle_section(plan: &Plan, section: &Section, rows: &[idle::Row]) -> String {
    let words = Words::of(section.task);
    let mut out = format!(
        "## {}\n\n{}\n\
         {} over {} open connections, divided by their\n\
         number: before any message, and after one of 125 bytes was echoed on each. The kernel's\n\
         socket memory is not part of it.\n\n\
         | server | bytes before a message | bytes after one |\n\
         |---|---:|---:|\n",
        words.title,
        machine::describe(plan.cores),
        words.what,
        plan.idle_count,
    );
    for row in rows {
        let _ = match &row.outcome {
            Ok(memory) => {
                writeln!(out, "| {} | {:.0} | {:.0} |", row.name, memory.before, memory.after)
            }
            Err(error) => writeln!(out, "| {} | failed: {error} | |", row.name),
        };
    }
    out.push_str(&absent(section));
    out
}

const HEADING: &str = "# Results\n\n\
    Written by the command that stands in each section; how it measures: [README](README.md).\n\n\
    ![Ratios of server CPU time](results.svg)\n";

/// A file without any section yet.
pub(crate) fn begin(path: &Path) -> Result<()> {
    fs::write(path, HEADING).map_err(|error| format!("{}: {error}", path.display()).into())
}

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
    use crate::stats::Spread;

    fn row(scenario: &str, name: &str, nanos: Option<f64>) -> Row {
        let outcome = nanos.ok_or("out".to_owned()).map(|nanos| Figures {
            nanos: Spread { low: nanos, median: nanos, high: nanos },
            ratio: None,
            pieces_per_second: 1.0,
            busy: 1.0,
            came_len: 1.0,
            user_share: None,
        });
        Row {
            scenario: scenario.parse().unwrap(),
            name: name.to_owned(),
            is_reference: false,
            outcome,
        }
    }

    #[test]
    fn growth_is_told_where_the_connections_differ_and_nothing_else() {
        let rows = [
            row("125x100x1", "a", Some(10.0)),
            row("125x100x1", "b", Some(20.0)),
            row("1KiBx100x1", "a", Some(1.0)),
            row("125x1000x16", "a", Some(1.0)),
            row("125x1000x1", "a", Some(11.0)),
            row("125x1000x1", "b", None),
        ];
        assert_eq!(
            growth(&rows),
            "\n### Growth of 125 bytes, 1 in flight with the connections, in ns\n\n\
             | server | 100 | 1000 |\n|---|---:|---:|\n| a | 10 | 11 |\n| b | 20 | – |\n"
        );
        assert_eq!(growth(&rows[..4]), "");
    }

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
