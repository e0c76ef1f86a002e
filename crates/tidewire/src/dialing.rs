//! Finding a host and reaching it over TCP: happy eyeballs (RFC 8305).
//!
//! The operating system's resolver asks for both families at once and sorts by RFC 6724, so the
//! Resolution Delay of §3 has no place here: when it answers, all addresses are there.

use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tidewire_proto::uri::Host;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until},
};

/// §5: "A simple implementation can have a fixed delay for how long to wait before starting the
/// next connection attempt … recommended … 250 milliseconds."
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Resolves `host`, and connects to whichever of its addresses answers first.
pub(crate) async fn dial(host: &Host, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match host {
        Host::Name(name) => lookup_host((&**name, port)).await?.collect(),
        Host::V4(address) => vec![(IpAddr::V4(*address), port).into()],
        Host::V6(address) => vec![(IpAddr::V6(*address), port).into()],
    };
    let io = race(alternate(addresses), TcpStream::connect).await?;
    // What we write is complete: to wait for more would only cost time.
    io.set_nodelay(true)?;
    Ok(io)
}

/// §4: the families take turns, beginning with the one that the resolver likes best.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut sorted = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => return sorted,
            (a, b) => sorted.extend(a.into_iter().chain(b)),
        }
    }
}

/// Starts one attempt after the other, each 250 ms after the last, or at once where all that are
/// under way have failed; the first to succeed ends the others (§5).
async fn race<T, F>(addresses: Vec<SocketAddr>, dial: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    // The first address is the preferred one, and so is what it has to say.
    let mut error = None;
    let mut delay = pin!(sleep_until(Instant::now()));
    poll_fn(|task| {
        loop {
            let mut at = 0;
            while let Some(attempt) = attempts.get_mut(at) {
                match attempt.as_mut().poll(task) {
                    Poll::Ready(Ok(io)) => return Poll::Ready(Ok(io)),
                    Poll::Ready(Err(failed)) => {
                        error.get_or_insert(failed);
                        drop(attempts.remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            if !attempts.is_empty() && delay.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push(Box::pin(dial(address)));
                    delay.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
                }
                None if attempts.is_empty() => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "it has no address");
                    return Poll::Ready(Err(error.take().unwrap_or_else(none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::time::sleep;

    use super::*;

    const A: &str = "[2001:db8::1]:1";
    const B: &str = "192.0.2.1:1";
    const C: &str = "192.0.2.2:1";

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What an address of the table does.
    #[derive(Clone, Copy)]
    enum Does {
        /// Answers after so many milliseconds.
        Answer(u64),
        /// Refuses after so many milliseconds.
        Refuse(u64),
        /// Swallows everything.
        Nothing,
    }

    #[tokio::test(start_paused = true)]
    async fn c11_attempts_are_staggered() {
        use Does::{Answer, Nothing, Refuse};
        // rule, what the addresses do, who wins and after how many milliseconds
        #[expect(clippy::type_complexity, reason = "a table")]
        let rows: &[(&str, &[(&str, Does)], Option<(&str, u64)>)] = &[
            ("§5 the first answers", &[(A, Answer(20)), (B, Answer(0))], Some((A, 20))),
            ("§5 the first is black-holed", &[(A, Nothing), (B, Answer(30))], Some((B, 280))),
            ("§5 two are", &[(A, Nothing), (B, Nothing), (C, Answer(9))], Some((C, 509))),
            ("§5 a refusal starts the next", &[(A, Refuse(10)), (B, Answer(5))], Some((B, 15))),
            ("§5 a late first still wins", &[(A, Answer(260)), (B, Answer(99))], Some((A, 260))),
            (
                "§5 a refusal among the pending",
                &[(A, Nothing), (B, Refuse(1)), (C, Answer(1))],
                Some((C, 501)),
            ),
            ("all refuse", &[(A, Refuse(1)), (B, Refuse(1))], None),
            ("there is none", &[], None),
        ];
        for (rule, table, outcome) in rows {
            let started = Instant::now();
            let asked = RefCell::new(Vec::new());
            let dial = |address: SocketAddr| {
                asked.borrow_mut().push(address);
                let does = table.iter().find(|(text, _)| *text == address.to_string()).unwrap().1;
                async move {
                    match does {
                        Answer(after) => sleep(Duration::from_millis(after)).await,
                        Refuse(after) => {
                            sleep(Duration::from_millis(after)).await;
                            return Err(io::ErrorKind::ConnectionRefused.into());
                        }
                        Nothing => pending().await,
                    }
                    Ok(address.to_string())
                }
            };
            let texts: Vec<_> = table.iter().map(|(text, _)| *text).collect();
            let won = race(addresses(&texts), dial).await;
            let took = u64::try_from(started.elapsed().as_millis()).unwrap();
            assert_eq!(won.ok(), outcome.map(|(text, _)| text.to_owned()), "{rule}");
            if let Some((_, after)) = outcome {
                assert!((*after..after + 2).contains(&took), "{rule}: {took} ms");
            }
        }
    }

    #[test]
    fn c11_families_take_turns() {
        let rows: &[(&[&str], &[&str])] =
            &[(&[A, B, C], &[A, B, C]), (&[B, C, A], &[B, A, C]), (&[B, C], &[B, C]), (&[], &[])];
        for (resolved, sorted) in rows {
            assert_eq!(alternate(addresses(resolved)), addresses(sorted), "RFC 8305 §4");
        }
    }
}
