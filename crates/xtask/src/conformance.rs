//! The Autobahn suite against the echo examples; the verdict is that of `conformance/run.py`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::plan::Lane;
use crate::proxy::Proxy;
use crate::setup;
use crate::step::{Desk, Step, Verdict};
use crate::testee::{self, Certificate, ENGINES, Echo, Server};

const LIMIT: Duration = Duration::from_secs(40 * 60);
const DEFLATE: &str = "12,13";

#[derive(Clone, Copy, Debug)]
enum Role {
    Server(Echo),
    Client,
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Tcp,
    Tls,
    /// RFC 8441, between haproxy and our server; HTTP/1.1 between the suite and haproxy.
    Http2,
}

/// One run of the suite.
#[derive(Clone, Debug)]
struct Run {
    role: Role,
    transport: Transport,
    cases: String,
    deflate: bool,
}

/// The sections that are about the protocol; 9 would measure the proxy.
fn over_http2() -> Run {
    let (role, transport) = (Role::Server(Echo::Library), Transport::Http2);
    Run { role, transport, cases: "1-7".to_owned(), deflate: false }
}

/// All there are, over TCP and TLS.
fn roles() -> impl Iterator<Item = Role> {
    let library = [Role::Server(Echo::Library), Role::Client];
    library.into_iter().chain(ENGINES.map(Role::Server))
}

/// What CI runs: sections 1 to 10 wherever they could differ, the long 12 and 13 once for each role
/// of the library, whose compression is the engine's too.
pub(crate) fn ci() -> Lane {
    let mut lane = vec![judge_itself()];
    for role in roles() {
        for transport in [Transport::Tcp, Transport::Tls] {
            let cases = "1-10".to_owned();
            lane.push(Run { role, transport, cases, deflate: false }.step());
        }
        if !matches!(role, Role::Server(Echo::Engine(_))) {
            let (transport, cases) = (Transport::Tcp, DEFLATE.to_owned());
            lane.push(Run { role, transport, cases, deflate: true }.step());
        }
    }
    lane.push(over_http2().step());
    lane
}

/// Every case wherever it could differ, and the page about it.
pub(crate) fn all() -> Lane {
    let mut runs = everywhere("*");
    runs.push(over_http2());
    summed_up(runs, |desk| Ok(desk.workspace.root("conformance/SUMMARY.md")))
}

/// The same of some cases, to look at: the page is kept where nobody takes it for the whole.
pub(crate) fn some(cases: &str) -> Lane {
    summed_up(everywhere(cases), |desk| Ok(desk.workspace.results("autobahn")?.join("SUMMARY.md")))
}

/// In both roles of the library and on both backends of the engine, over TCP and TLS.
fn everywhere(cases: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for role in roles() {
        for transport in [Transport::Tcp, Transport::Tls] {
            runs.push(Run { role, transport, cases: cases.to_owned(), deflate: true });
        }
    }
    runs
}

/// Runs, and then a page about them.
fn summed_up(runs: Vec<Run>, page: fn(&Desk<'_>) -> Result<PathBuf, String>) -> Lane {
    let mut lane: Lane = runs.iter().cloned().map(Run::step).collect();
    lane.push(Step::new("SUMMARY.md", move |desk| summary(desk, &runs, &page(desk)?)));
    lane
}

/// The judge's own tests: what must fail fails.
fn judge_itself() -> Step {
    Step::command("autobahn: the judge", "python3 -m unittest discover conformance", LIMIT)
}

impl Run {
    fn label(&self) -> String {
        let role = match self.role {
            Role::Server(Echo::Library) => "server".to_owned(),
            Role::Server(Echo::Engine(io)) => format!("engine on {io}"),
            Role::Client => "client".to_owned(),
        };
        let transport = match self.transport {
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Http2 => "HTTP/2",
        };
        format!("{role}, {transport}")
    }

    fn step(self) -> Step {
        let cases = self.cases.replace('*', "all");
        Step::new(format!("autobahn {} {cases}", self.label()), move |desk| self.judge(desk))
    }

    fn reports(&self, desk: &Desk<'_>) -> Result<PathBuf, String> {
        let cases = self.cases.replace('*', "all");
        desk.workspace
            .results(&format!("autobahn/{} {cases}", self.label()).replace([',', ' ', '/'], "-"))
    }

    fn judge(&self, desk: &Desk<'_>) -> Verdict {
        let mut run = desk.words("python3 conformance/run.py");
        run.env("AUTOBAHN_PREFIX", setup::autobahn_prefix(desk.workspace));
        let certificate = match self.transport {
            Transport::Tcp | Transport::Http2 => None,
            Transport::Tls => Some(Certificate::make(desk)?),
        };
        // Alive until the suite is through with them.
        let (mut server, mut proxy) = (None, None);
        match self.role {
            Role::Server(echo) => {
                let started = Server::start(self.server(echo, desk, certificate.as_ref()), desk)?;
                if matches!(self.transport, Transport::Http2) {
                    let between = Proxy::start(&started, desk)?;
                    run.args(["server", &between.url]);
                    proxy = Some(between);
                } else {
                    run.args(["server", &started.url]);
                }
                server = Some(started);
            }
            Role::Client => {
                run.args(["client", &self.client(desk)]);
                if let Some(Certificate { leaf, key, .. }) = &certificate {
                    run.arg("--tls").arg(leaf).arg(key);
                }
            }
        }
        run.args(["--cases", &self.cases, "--out"]).arg(self.reports(desk)?);
        desk.run(run, LIMIT)?;
        drop(proxy);
        if server.is_some_and(|mut server| !server.is_alive()) {
            return Err("the server did not survive".to_owned().into());
        }
        // The server writes into the same log.
        let verdict = desk.tail(usize::MAX).into_iter().rfind(|line| line.contains(" passed, "));
        verdict.ok_or_else(|| "the suite came to no verdict".to_owned().into())
    }

    fn server(&self, echo: Echo, desk: &Desk<'_>, certificate: Option<&Certificate>) -> Command {
        let mut command = echo.command(desk.workspace);
        if self.deflate {
            command.arg("--deflate");
        }
        if let Some(Certificate { leaf, key, .. }) = certificate {
            command.arg("--tls").arg(leaf).arg(key);
        }
        if matches!(self.transport, Transport::Http2) {
            command.arg("--http2");
        }
        command
    }

    fn client(&self, desk: &Desk<'_>) -> String {
        let program = testee::echo_client(desk.workspace);
        let deflate = if self.deflate { " --deflate" } else { "" };
        let insecure = match self.transport {
            Transport::Tls => " --insecure",
            Transport::Tcp | Transport::Http2 => "",
        };
        format!("'{}' --autobahn {{url}}{deflate}{insecure}", program.display())
    }
}

fn summary(desk: &Desk<'_>, runs: &[Run], page: &Path) -> Verdict {
    let mut command = desk.words("python3 conformance/summary.py");
    command.arg(page);
    for run in runs {
        let mut word = std::ffi::OsString::from(format!("{}=", run.label()));
        word.push(run.reports(desk)?);
        command.arg(word);
    }
    desk.run(command, LIMIT)?;
    Ok(desk.last_line())
}
