//! The figures that have been collected so far, scenario by scenario, and the file that keeps them:
//! a report and its picture can be made from it at any time, whoever was measured when.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    Result,
    idle::{self, Memory},
    machine::Run,
    pairs::{self, Figures},
    plan::{Absent, Section},
    scenario::Scenario,
    stats::Spread,
    task::Task,
};

/// In the order in which a report shows it.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    blocks: Vec<Block>,
}

/// One scenario, and all servers that were measured at it in one run: what pairs hold together.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) task: Task,
    pub(crate) scenario: Scenario,
    pub(crate) run: Run,
    pub(crate) rows: Rows,
    pub(crate) absent: Vec<Absent>,
}

#[derive(Debug)]
pub(crate) enum Rows {
    Paired(Vec<pairs::Row>),
    Idle(Vec<idle::Row>),
}

impl Block {
    /// How many servers did something wrong.
    pub(crate) fn failure_count(&self) -> usize {
        match &self.rows {
            Rows::Paired(rows) => rows.iter().filter(|row| row.outcome.is_err()).count(),
            Rows::Idle(rows) => rows.iter().filter(|row| row.outcome.is_err()).count(),
        }
    }

    /// Where it stands: tasks and the scenarios that nobody must ask for in their own order, others
    /// behind them as they come.
    fn place(&self) -> (usize, usize) {
        let scenarios = self.task.scenarios();
        let name = self.scenario.to_string();
        (
            Task::ALL.iter().position(|&task| task == self.task).unwrap_or(Task::ALL.len()),
            scenarios.iter().position(|&known| known == name).unwrap_or(scenarios.len()),
        )
    }
}

impl Collected {
    /// What the file at `path` keeps: nothing, if there is none.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        Self::parse(&text).map_err(|error| format!("{}, {error}", path.display()).into())
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut collected = Self::default();
        for (number, line) in text.lines().enumerate() {
            collected
                .take_line(line)
                .ok_or_else(|| format!("line {}: `{line}` says nothing", number + 1))?;
        }
        Ok(collected)
    }

    /// Puts `block` where its scenario stands, in place of what was measured before.
    pub(crate) fn put(&mut self, block: Block) {
        self.blocks.retain(|old| (old.task, old.scenario) != (block.task, block.scenario));
        let place = self.blocks.partition_point(|old| old.place() <= block.place());
        self.blocks.insert(place, block);
    }

    /// Forgets those scenarios of a task that are none of `section`.
    pub(crate) fn keep_only(&mut self, section: &Section) {
        self.blocks.retain(|block| {
            block.task != section.task || section.scenarios.contains(&block.scenario)
        });
    }

    pub(crate) fn of(&self, task: Task) -> impl Iterator<Item = &Block> + Clone {
        self.blocks.iter().filter(move |block| block.task == task)
    }

    /// Those that have ratios.
    pub(crate) fn paired(&self) -> impl Iterator<Item = (&Block, &[pairs::Row])> {
        self.blocks.iter().filter_map(|block| match &block.rows {
            Rows::Paired(rows) => Some((block, &rows[..])),
            Rows::Idle(_) => None,
        })
    }

    /// Lines of words with tabs between them. The first word says what a line is; what stands below
    /// a `scenario` belongs to it.
    pub(crate) fn to_lines(&self) -> String {
        let mut out = String::new();
        for Block { task, scenario, run, rows, absent } in &self.blocks {
            // Writing to a string does not fail.
            let _ = writeln!(out, "scenario\t{}\t{scenario}", task.name());
            let _ = writeln!(out, "run\t{}", run.words().map(one_word).join("\t"));
            match rows {
                Rows::Paired(rows) => rows.iter().for_each(|row| paired_line(&mut out, row)),
                Rows::Idle(rows) => rows.iter().for_each(|row| idle_line(&mut out, row)),
            }
            for Absent { name, reason } in absent {
                let _ = writeln!(out, "absent\t{}\t{}", one_word(name), one_word(reason));
            }
        }
        out
    }

    fn take_line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split('\t').collect();
        if let ["scenario", task, scenario] = words[..] {
            let task = Task::named(task)?;
            let rows =
                if task.is_idle() { Rows::Idle(Vec::new()) } else { Rows::Paired(Vec::new()) };
            let scenario = scenario.parse().ok()?;
            let (run, absent) = (Run::default(), Vec::new());
            self.blocks.push(Block { task, scenario, run, rows, absent });
            return Some(());
        }
        let block = self.blocks.last_mut()?;
        match (&mut block.rows, &words[..]) {
            (_, ["run", words @ ..]) => block.run = Run::of(words.try_into().ok()?),
            (_, ["absent", name, reason]) => {
                block.absent.push(Absent { name: (*name).into(), reason: (*reason).into() });
            }
            (Rows::Paired(rows), [kind @ ("reference" | "row"), name, outcome @ ..]) => {
                rows.push(pairs::Row {
                    scenario: block.scenario,
                    name: (*name).into(),
                    is_reference: *kind == "reference",
                    outcome: outcome_of(outcome, figures_of)?,
                });
            }
            (Rows::Idle(rows), ["row", name, outcome @ ..]) => {
                let outcome = outcome_of(outcome, |words| {
                    let [before, after] = numbers_of(words)?[..].try_into().ok()?;
                    Some(Memory { before: before?, after: after? })
                })?;
                rows.push(idle::Row { name: (*name).into(), outcome });
            }
            _ => return None,
        }
        Some(())
    }
}

fn paired_line(out: &mut String, row: &pairs::Row) {
    let kind = if row.is_reference { "reference" } else { "row" };
    let _ = write!(out, "{kind}\t{}", one_word(&row.name));
    match &row.outcome {
        Ok(figures) => {
            let Spread { low, median, high } = figures.nanos;
            let ratio = figures.ratio.map(|ratio| [ratio.low, ratio.median, ratio.high]);
            for nanos in [low, median, high] {
                let _ = write!(out, "\t{nanos:.2}");
            }
            for place in 0..3 {
                let _ = write!(out, "\t{}", or_dash(ratio.map(|ratio| ratio[place])));
            }
            let Figures { pieces_per_second, busy, came_len, user_share, .. } = figures;
            let user_share = or_dash(*user_share);
            let _ =
                writeln!(out, "\t{pieces_per_second:.1}\t{busy:.4}\t{came_len:.2}\t{user_share}");
        }
        Err(error) => {
            let _ = writeln!(out, "\tfailed\t{}", one_word(error));
        }
    }
}

fn idle_line(out: &mut String, row: &idle::Row) {
    let name = one_word(&row.name);
    let _ = match &row.outcome {
        Ok(Memory { before, after }) => writeln!(out, "row\t{name}\t{before:.2}\t{after:.2}"),
        Err(error) => writeln!(out, "row\t{name}\tfailed\t{}", one_word(error)),
    };
}

/// A word of a line, whoever wrote it.
fn one_word(text: impl AsRef<str>) -> String {
    text.as_ref().replace(['\t', '\n', '\r'], " ")
}

fn or_dash(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |number| format!("{number:.4}"))
}

fn outcome_of<T>(words: &[&str], of: fn(&[&str]) -> Option<T>) -> Option<Result<T, String>> {
    match words {
        ["failed", error] => Some(Err((*error).to_owned())),
        words => Some(Ok(of(words)?)),
    }
}

/// `None` among them for a dash.
fn numbers_of(words: &[&str]) -> Option<Vec<Option<f64>>> {
    let number = |word: &&str| if *word == "-" { Some(None) } else { word.parse().ok().map(Some) };
    words.iter().map(number).collect()
}

fn figures_of(words: &[&str]) -> Option<Figures> {
    let [low, median, high, ratio_low, ratio, ratio_high, pieces, busy, came, user_share] =
        numbers_of(words)?[..].try_into().ok()?;
    let spread = |low, median, high| Some(Spread { low: low?, median: median?, high: high? });
    Some(Figures {
        nanos: spread(low, median, high)?,
        ratio: spread(ratio_low, ratio, ratio_high),
        pieces_per_second: pieces?,
        busy: busy?,
        came_len: came?,
        user_share,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
scenario\techo\t125x100x1
run\tbox, 2 cores\t6.1\t1.95\tnow\t1.5\t10 pairs of 200 ms\techo
reference\traw-epoll\t1.00\t2.50\t3.00\t-\t-\t-\t1000.0\t0.9900\t131.00\t0.0400
row\ttidewire\t1.00\t2.50\t3.00\t0.9000\t1.0000\t1.1000\t1000.0\t0.9900\t131.00\t-
row\tws\tfailed\tnot an echo
absent\tbun\tnode is not installed
scenario\tidle\t125x10000x1
run\tbox, 2 cores\t6.1\t1.95\tlater\t1.5\t10 pairs of 200 ms\tidle
row\ttidewire\t1012.00\t1013.50
row\tws\tfailed\tgone
";

    #[test]
    fn what_is_kept_is_what_was_collected() {
        assert_eq!(Collected::parse(LINES).unwrap().to_lines(), LINES);
        for line in
            ["\n", "row\ta\t1\t2", "scenario\tnone\t1x1x1", "scenario\tidle\t1x1x1\nrow\ta\t1"]
        {
            assert!(Collected::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_scenario_is_replaced_and_stands_in_its_order() {
        let mut collected = Collected::parse(LINES).unwrap();
        let lines = "scenario\techo\t20x100x1\nscenario\techo\t7x7x7\nscenario\techo\t125x100x1\n\
                     scenario\tfanout\t125x100x1";
        for block in Collected::parse(lines).unwrap().blocks {
            collected.put(block);
        }
        let titles = |collected: &Collected| -> Vec<String> {
            let title = |block: &Block| format!("{} {}", block.task.name(), block.scenario);
            collected.blocks.iter().map(title).collect()
        };
        let all = [
            "echo 20x100x1",
            "echo 125x100x1",
            "echo 7x7x7",
            "fanout 125x100x1",
            "idle 125x10000x1",
        ];
        assert_eq!(titles(&collected), all);
        assert!(!collected.to_lines().contains("ws\tfailed\tnot an echo"));
        collected.keep_only(&Section {
            task: Task::Echo,
            servers: Vec::new(),
            absent: Vec::new(),
            scenarios: vec!["20x100x1".parse().unwrap()],
            is_whole: true,
            reference: None,
        });
        assert_eq!(titles(&collected), ["echo 20x100x1", all[3], all[4]]);
    }
}
