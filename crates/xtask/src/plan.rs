//! What runs after what, what runs at the same time, and the closing table.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::step::{Desk, Step, Trouble, Verdict};
use crate::workspace::Workspace;

/// Steps that run one after another.
pub(crate) type Lane = Vec<Step>;

/// Lanes that run at the same time.
pub(crate) type Stage = Vec<Lane>;

/// How much of a failed step's log is shown at once.
const LINES_SHOWN: usize = 60;

/// How often a run says what it is busy with.
const HEARTBEAT: Duration = Duration::from_secs(60);

struct Row {
    name: String,
    verdict: Verdict,
    took: Duration,
}

/// Runs the stages one after another; whether nothing failed.
///
/// A failure stops nothing: the other verdicts are worth knowing as well, and what depended on it
/// fails by itself.
pub(crate) fn run(stages: Vec<Stage>, workspace: &Workspace) -> bool {
    let board = Board { began: Instant::now(), running: Mutex::default(), rows: Mutex::default() };
    for stage in stages {
        thread::scope(|scope| {
            let (lanes, done) = mpsc::channel::<()>();
            for lane in stage {
                let (board, lanes) = (&board, lanes.clone());
                scope.spawn(move || {
                    for step in lane {
                        board.perform(step, workspace);
                    }
                    drop(lanes);
                });
            }
            drop(lanes);
            while done.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                board.say(&lock(&board.running).join(", "));
            }
        });
    }
    close(&lock(&board.rows), board.began.elapsed())
}

/// What is known so far.
struct Board {
    began: Instant,
    running: Mutex<Vec<String>>,
    rows: Mutex<Vec<Row>>,
}

impl Board {
    fn say(&self, line: &str) {
        eprintln!("{}  {line}", clock(self.began.elapsed()));
    }

    fn perform(&self, step: Step, workspace: &Workspace) {
        let Step { name, run } = step;
        self.say(&format!("{name} …"));
        lock(&self.running).push(name.clone());
        let start = Instant::now();
        let desk = Desk::new(workspace, &name);
        let verdict = match &desk {
            Ok(desk) => run(desk),
            Err(why) => Err(Trouble::Failed(why.clone())),
        };
        let took = start.elapsed();
        lock(&self.running).retain(|one| *one != name);
        self.say(&format!("{name}: {} ({} s)", word(&verdict), took.as_secs()));
        if let (Err(_), Ok(desk)) = (&verdict, &desk) {
            let lines = desk.tail(LINES_SHOWN).join("\n    ");
            eprintln!("    {}\n    {lines}", desk.log.display());
        }
        lock(&self.rows).push(Row { name, verdict, took });
    }
}

/// What a lane that panicked left behind is whole: rows are pushed in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Ok(_) => "passed",
        Err(Trouble::Failed(_)) => "FAILED",
        Err(Trouble::NotChecked(_)) => "NOT CHECKED",
    }
}

fn clock(time: Duration) -> String {
    format!("{:>3}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[expect(clippy::print_stdout, reason = "the verdict is what this program is for")]
fn close(rows: &[Row], took: Duration) -> bool {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    println!();
    for Row { name, verdict, took } in rows {
        let remark = match verdict {
            Ok(remark) => remark.as_str(),
            Err(Trouble::Failed(why) | Trouble::NotChecked(why)) => why,
        };
        println!("{name:width$}  {:11}  {}  {remark}", word(verdict), clock(*took));
    }
    let count = |wanted: &str| rows.iter().filter(|row| word(&row.verdict) == wanted).count();
    let not_checked = count("NOT CHECKED");
    println!("\ntook {}", clock(took).trim_start());
    if not_checked > 0 {
        println!("{not_checked} NOT CHECKED: this machine proves nothing about what they check");
    }
    println!("{} passed, {} failed", count("passed"), count("FAILED"));
    count("FAILED") == 0
}
