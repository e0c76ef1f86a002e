//! How cost grows with the number of connections.

use std::fmt::Write as _;

use crate::{pairs::Row, scenario::Scenario};

/// How the cost of a piece of work grows with the number of connections, for the kinds of work that
/// were measured at more than one number.
pub(crate) fn growth(rows: &[&Row]) -> String {
    let kind = |scenario: &Scenario| (scenario.kind, scenario.payload_len, scenario.in_flight);
    let mut out = String::new();
    let mut done = Vec::new();
    for row in rows {
        if done.contains(&kind(&row.scenario)) {
            continue;
        }
        done.push(kind(&row.scenario));
        let relatives: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|other| kind(&other.scenario) == kind(&row.scenario))
            .collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pairs::Figures, stats::Spread};

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
            growth(&rows.iter().collect::<Vec<_>>()),
            "\n### Growth of 125 bytes, 1 in flight with the connections, in ns\n\n\
             | server | 100 | 1000 |\n|---|---:|---:|\n| a | 10 | 11 |\n| b | 20 | – |\n"
        );
        assert_eq!(growth(&rows[..4].iter().collect::<Vec<_>>()), "");
    }
}
