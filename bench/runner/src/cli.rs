//! The command line.

use std::{path::PathBuf, time::Duration};

use crate::{
    Result,
    catalog::Candidate,
    load::{Job, traffic::Speaks},
    machine::Cores,
    plan::{Plan, Section},
    scenario::Scenario,
    task::Task,
};

pub(crate) const HELP: &str = "\
Measures WebSocket servers: CPU time per message echoed or delivered, memory per idle connection.

    tidewire-bench echo|fanout|handshakes|tls|deflate|deflate-takeover|idle|tls-idle [OPTIONS]
    tidewire-bench server-fanout|server-publish|server-publish-spread|server-sessions|server-storm|
                   server-idle|server-idle-own [OPTIONS]     realtime servers
    tidewire-bench all [OPTIONS]
    tidewire-bench report [--write [FILE]]     only make report and picture anew

    --servers A,B,C         only these of the known servers (default: all)
    --server NAME=COMMAND   also this one: a server started by COMMAND, in which {addr} or {port}
                            stands for where it must listen, and with tls {cert} and {key} for
                            the files of its certificate; with `all` it must do everything.
                            In server-… it must speak the centrifuge protocol, in JSON
    --reference NAME        what ratios are to (default: raw-epoll and, for echoes
                            above 128 KiB, tokio-websockets; in a fan-out raw-send-epoll; with TLS bun;
                            with deflate yawc)
    --scenario SCENARIO     [text:]SIZExCONNECTIONSxIN_FLIGHT; sizes as 125, 16KiB, 1MiB; each
                            place may be a list with commas: all combinations are measured
    --pairs N               pairs of runs for each server and scenario (default: 10)
    --slice MILLIS          how long one run of a pair loads the server (default: 200)
    --connections N         idle connections (default: 10000)
    --write [FILE]          put the result into the report FILE (default: bench/RESULTS.md), in place
                            of what was measured of this work, or only of the scenarios that
                            --scenario names; the picture results.svg and all figures, results.tsv,
                            stand beside it, and remarks/WORK.md goes to the end of its section
    --picture FILE          draw the ratios into FILE, an SVG";

pub(crate) enum Command {
    Help,
    Measure(Plan),
    /// This process is the load of one server.
    Worker(Job),
}

pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut arguments = arguments.peekable();
    let what = arguments.next().unwrap_or_default();
    match what.as_str() {
        "worker" => worker(arguments).map(Command::Worker),
        "" | "help" | "--help" | "-h" => Ok(Command::Help),
        what => Options::parse(arguments)?.plan(what).map(Command::Measure),
    }
}

/// The name under which a report refers to its picture.
const PICTURE: &str = "results.svg";

/// What stood after the command's first word.
struct Options {
    servers: Option<Vec<String>>,
    commands: Vec<Candidate>,
    reference: Option<String>,
    scenarios: Vec<Scenario>,
    pair_count: usize,
    slice: usize,
    idle_count: Option<usize>,
    write: Option<PathBuf>,
    picture: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.peekable();
        let mut options = Self {
            servers: None,
            commands: Vec::new(),
            reference: None,
            scenarios: Vec::new(),
            pair_count: 10,
            slice: 200,
            idle_count: None,
            write: None,
            picture: None,
        };
        while let Some(flag) = arguments.next() {
            if flag == "--write" {
                let file = arguments.next_if(|next| !next.starts_with("--"));
                options.write = Some(file.map_or_else(default_report, PathBuf::from));
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{flag} wants a value"))?;
            match flag.as_str() {
                "--servers" => {
                    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
                    names.iter().try_for_each(|name| Candidate::check_name(name))?;
                    options.servers = Some(names);
                }
                "--server" => options.commands.push(Candidate::from_command(&value)?),
                "--reference" => options.reference = Some(value),
                "--scenario" => options.scenarios.extend(Scenario::parse_all(&value)?),
                "--pairs" => options.pair_count = number(&flag, &value)?,
                "--slice" => options.slice = number(&flag, &value)?,
                "--picture" => options.picture = Some(PathBuf::from(value)),
                "--connections" => options.idle_count = Some(number(&flag, &value)?),
                _ => return Err(format!("there is no option {flag}; see --help").into()),
            }
        }
        Ok(options)
    }

    fn plan(mut self, what: &str) -> Result<Plan> {
        let tasks = if what == "report" {
            self.write.get_or_insert_with(default_report);
            Vec::new()
        } else if what == "all" {
            if !self.scenarios.is_empty() || self.reference.is_some() {
                return Err("`all` has scenarios and references of its own".into());
            }
            Task::ALL.to_vec()
        } else {
            let task = Task::named(what).ok_or_else(|| {
                let names: Vec<_> = Task::ALL.iter().map(|task| task.name()).collect();
                format!(
                    "`{what}` is neither all nor report nor one of {}; see --help",
                    names.join(", ")
                )
            })?;
            vec![task]
        };
        let beside = || Some(self.write.as_ref()?.with_file_name(PICTURE));
        Ok(Plan {
            picture: self.picture.clone().or_else(beside),
            sections: tasks.iter().map(|&task| self.section(task)).collect::<Result<_>>()?,
            pair_count: self.pair_count,
            slice: Duration::from_millis(self.slice as u64),
            write: self.write,
            cores: Cores::choose()?,
        })
    }

    fn section(&self, task: Task) -> Result<Section> {
        let mut scenarios = self.scenarios.clone();
        let is_whole = scenarios.is_empty();
        if is_whole {
            scenarios = task.scenarios().iter().map(|text| text.parse()).collect::<Result<_>>()?;
        }
        if let (true, Some(count)) = (task.is_idle(), self.idle_count) {
            for scenario in &mut scenarios {
                scenario.connection_count = count;
            }
        }
        let mut servers = Candidate::known(task);
        if let Some(names) = &self.servers {
            // Whatever ratios are to is measured too.
            let references: Vec<&str> = match &self.reference {
                Some(name) => vec![name],
                None => {
                    scenarios.iter().filter_map(|s| task.references(s).first().copied()).collect()
                }
            };
            servers.retain(|server| {
                names.contains(&server.name) || references.contains(&server.name.as_str())
            });
        }
        servers.extend(self.commands.iter().cloned().map(|mut command| {
            if task.is_of_sessions() {
                command.speaks = Speaks::Centrifuge;
            }
            command
        }));
        let reference = self.reference.clone();
        Ok(Section { task, servers, absent: Vec::new(), scenarios, is_whole, reference })
    }
}

fn default_report() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../RESULTS.md"))
}

fn number(flag: &str, value: &str) -> Result<usize> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{flag} wants a number above zero, not `{value}`").into()),
    }
}

/// `worker ADDR ws|raw|centrifuge TASK SCENARIO`, as this program starts itself.
fn worker(mut arguments: impl Iterator<Item = String>) -> Result<Job> {
    let mut next = || arguments.next().ok_or("worker ADDR ws|raw|centrifuge TASK SCENARIO");
    Ok(Job {
        addr: next()?.parse()?,
        speaks: match next()?.as_str() {
            "raw" => Speaks::Raw,
            "centrifuge" => Speaks::Centrifuge,
            _ => Speaks::WebSocket,
        },
        task: Task::named(&next()?).ok_or("no such task")?,
        scenario: next()?.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        match parse(line.split_whitespace().map(str::to_owned))? {
            Command::Measure(plan) => Ok(plan),
            Command::Help | Command::Worker(_) => Err("no plan".into()),
        }
    }

    fn names(section: &Section) -> Vec<&str> {
        section.servers.iter().map(|server| server.name.as_str()).collect()
    }

    #[test]
    fn the_reference_is_measured_though_nobody_named_it() {
        let plan = plan("echo --servers yawc --scenario 1x1x1").unwrap();
        assert_eq!(names(&plan.sections[0]), ["raw-epoll", "yawc"]);
    }

    #[test]
    fn any_command_is_a_server_and_any_server_a_reference() {
        let plan =
            plan("echo --servers yawc --server mine=a:{port} --reference mine --scenario 1x1x1")
                .unwrap();
        let section = &plan.sections[0];
        assert_eq!(names(section), ["yawc", "mine"]);
        assert_eq!(section.reference(&section.scenarios[0]).unwrap(), 1);
    }

    #[test]
    fn a_report_has_its_picture_beside_it() {
        let picture = |line| plan(line).unwrap().picture.map(|path| path.display().to_string());
        assert_eq!(picture("all --write a/b.md").as_deref(), Some("a/results.svg"));
        assert_eq!(picture("echo --write a/b.md").as_deref(), Some("a/results.svg"));
        assert_eq!(picture("report --write a/b.md").as_deref(), Some("a/results.svg"));
        assert_eq!(picture("all"), None);
        assert_eq!(picture("echo --picture p.svg").as_deref(), Some("p.svg"));
    }

    #[test]
    fn some_scenarios_are_not_the_whole_section() {
        let section = |line| plan(line).unwrap().sections.remove(0);
        assert!(section("echo").is_whole && section("idle --connections 5").is_whole);
        assert!(!section("echo --scenario 1x1x1").is_whole);
        assert_eq!(section("idle --connections 5").scenarios[0].connection_count, 5);
    }

    #[test]
    fn all_is_every_task_with_its_own_scenarios() {
        let sections = plan("all").unwrap().sections;
        assert_eq!(sections.len(), Task::ALL.len());
        for line in
            ["all --scenario 1x1x1", "all --reference yawc", "everything", "echo --servers x"]
        {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
