//! Results as Markdown, made from what has been collected.

use std::fmt::Write as _;

use crate::{
    collected::{Block, Collected, Rows},
    growth::growth,
    idle,
    pairs::{Figures, Row},
    task::Task,
    words::Words,
};

const HEADING: &str = "# Results\n\n\
    Written by the commands that stand in each section, from [results.tsv](results.tsv) and the\n\
    [remarks](remarks); how it measures: [README](README.md).\n\n\
    ![Ratios of server CPU time](results.svg)\n";

/// All sections. `remarks` is what people have to say of one.
pub(crate) fn report(collected: &Collected, remarks: impl Fn(Task) -> Option<String>) -> String {
    let mut out = HEADING.to_owned();
    for &task in Task::ALL {
        if collected.of(task).next().is_some() {
            out.push('\n');
            out.push_str(&section(collected, task));
            if let Some(remarks) = remarks(task) {
                let _ = write!(out, "\n### Remarks\n\n{}\n", remarks.trim());
            }
        }
    }
    out
}

/// What was measured of one kind of work.
pub(crate) fn section(collected: &Collected, task: Task) -> String {
    let blocks: Vec<&Block> = collected.of(task).collect();
    let Words { title, what, piece, pieces } = Words::of(task);
    let mut out = format!("## {title}\n\n{}\n{what}\n", runs(&blocks));
    if task.is_idle() {
        idle_tables(&mut out, &blocks);
    } else {
        let back = if task.is_deflate() { (" bytes back |", "---:|") } else { ("", "") };
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "Medians of pairs, quartiles in parentheses. `user` is the part of the CPU time spent outside\n\
             the kernel, `busy` the part of the time the server's core worked.\n\n\
             | work | server | ns per {piece} | × reference | {pieces}/s | busy | user |{}\n\
             |---|---|---:|---:|---:|---:|---:|{}\n",
            back.0, back.1,
        );
        paired_lines(&mut out, &blocks, task.is_deflate());
    }
    absent(&mut out, &blocks);
    out
}

/// Where and when: machines, and then which work was measured by which command.
fn runs(blocks: &[&Block]) -> String {
    let mut out = String::new();
    let mut machines: Vec<String> = blocks.iter().map(|block| block.run.machine_lines()).collect();
    machines.dedup();
    out.push_str(&machines.concat());
    let mut done = Vec::new();
    for block in blocks.iter().filter(|block| !block.task.is_idle()) {
        if done.contains(&&block.run) {
            continue;
        }
        done.push(&block.run);
        let same_run = blocks.iter().filter(|other| other.run == block.run);
        let works: Vec<String> = same_run.map(|block| block.scenario.to_string()).collect();
        let _ = writeln!(out, "- {}: {}", works.join(", "), block.run.moment());
    }
    for block in blocks.iter().filter(|block| block.task.is_idle()) {
        let count = block.scenario.connection_count;
        let _ = writeln!(out, "- {count} connections: {}", block.run.moment());
    }
    out
}

fn paired_lines(out: &mut String, blocks: &[&Block], is_deflate: bool) {
    for block in blocks {
        let mut work = block.scenario.to_string();
        for row in rows(block) {
            let _ = match &row.outcome {
                Ok(figures) => {
                    let back = format!(" {:.0} |", figures.came_len);
                    let back = if is_deflate { back } else { String::new() };
                    writeln!(out, "| {work} | {} | {} |{back}", row.name, cells(row, figures))
                }
                Err(error) => writeln!(out, "| {work} | {} | failed: {error} | | | | |", row.name),
            };
            work.clear();
        }
    }
    out.push_str(&growth(&blocks.iter().flat_map(|block| rows(block)).collect::<Vec<_>>()));
}

fn rows(block: &Block) -> &[Row] {
    match &block.rows {
        Rows::Paired(rows) => rows,
        Rows::Idle(_) => &[],
    }
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

fn idle_tables(out: &mut String, blocks: &[&Block]) {
    let is_of_sessions = blocks.iter().any(|block| block.task.is_of_sessions());
    let after = if is_of_sessions {
        "a command (how many are there) was answered"
    } else {
        "one of 125 bytes was echoed"
    };
    let _ = writeln!(
        out,
        "over so many open connections, divided by their number: before any message, and after\n\
         {after} on each. The kernel's socket memory is not part of it."
    );
    for block in blocks {
        let _ = write!(
            out,
            "\n| server, {} connections | bytes before a message | bytes after one |\n|---|---:|---:|\n",
            block.scenario.connection_count,
        );
        let Rows::Idle(rows) = &block.rows else { continue };
        for idle::Row { name, outcome } in rows {
            let _ = match outcome {
                Ok(memory) => {
                    writeln!(out, "| {name} | {:.0} | {:.0} |", memory.before, memory.after)
                }
                Err(error) => writeln!(out, "| {name} | failed: {error} | |"),
            };
        }
    }
}

/// Who is missing, and why: a report must not be silent about it.
fn absent(out: &mut String, blocks: &[&Block]) {
    let mut lines: Vec<String> = Vec::new();
    for absent in blocks.iter().flat_map(|block| &block.absent) {
        let line = format!("\nNot measured: {}: {}.\n", absent.name, absent.reason);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    out.push_str(&lines.concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_sections_runs_and_remarks() {
        let run = |date: &str| format!("run\tbox\t6.1\t1.95\t{date}\t1.5\t2 pairs\techo");
        let figures = "1\t2\t3\t-\t-\t-\t10\t0.5\t131\t-";
        let lines = [
            "scenario\techo\t20x100x1".to_owned(),
            run("monday"),
            format!("reference\traw-epoll\t{figures}"),
            "scenario\techo\t125x100x1".to_owned(),
            run("tuesday"),
            format!("reference\traw-epoll\t{figures}"),
            "row\tws\tfailed\tlate".to_owned(),
            "absent\tbun\tno node".to_owned(),
            "scenario\techo\t1KiBx100x1".to_owned(),
            run("monday"),
            "scenario\tidle\t125x50x1".to_owned(),
            run("tuesday"),
            "row\ttidewire\t1012\t1013".to_owned(),
        ];
        let collected = Collected::parse(&lines.join("\n")).unwrap();
        let report = report(&collected, |task| {
            (task == Task::Echo).then(|| "It is the kernel.\n".to_owned())
        });
        for part in [
            "- Machine: box\n- Kernel: 6.1\n- Compiler: 1.95;",
            "\n- 20x100x1, 1KiBx100x1: monday",
            "\n- 125x100x1: tuesday",
            "| 20x100x1 | raw-epoll | 2 (1–3) | 1, the reference | 10 | 50 % |  |\n\
             | 125x100x1 | raw-epoll | 2 (1–3) | 1, the reference | 10 | 50 % |  |\n\
             |  | ws | failed: late | | | | |\n",
            "\nNot measured: bun: no node.\n",
            "\n### Remarks\n\nIt is the kernel.\n\n## Idle",
            "- 50 connections: tuesday",
            "| tidewire | 1012 | 1013 |",
        ] {
            assert!(report.contains(part), "{part}\n{report}");
        }
    }
}
