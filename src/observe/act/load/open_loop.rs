//! Requests that are sent at fixed times, whether or not those before were answered.
//!
//! A client that waits for an answer before it asks again asks less often of a service that
//! stalls, and so leaves most of the stall out of what it measures (coordinated omission). Here
//! each request has a time at which it is to be sent, and its latency counts from then: while all
//! connections wait, the requests that are due grow old.
//!
//! The generator measures itself, too. What it does late although nothing kept it from it says
//! that this machine could not send at the intended rate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::world::load::{Answered, Quantiles};

/// How long an answer may take.
pub const ANSWER: Duration = Duration::from_secs(10);
/// How long after the last request was to be sent requests are sent at all.
pub const GRACE: Duration = Duration::from_secs(10);
/// How often the generator looks whether it is late.
const BEAT: Duration = Duration::from_millis(5);
/// The most of an answer that is read, in bytes.
const MOST_BODY: usize = 8 << 20;
/// The most kinds of errors that are told apart.
const MOST_KINDS: usize = 8;

/// What is asked, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The address.
    pub target: SocketAddr,
    /// The name that the request gives the server.
    pub host: String,
    /// The path.
    pub path: String,
    /// Requests in a second.
    pub rate: f64,
    /// How many requests.
    pub requests: u64,
    /// Over how many connections.
    pub connections: u32,
}

impl Plan {
    /// Sends one request, as a trial.
    ///
    /// # Errors
    /// Why there was no answer; an answer with any status is one.
    pub async fn try_once(&self, within: Duration) -> Result<u16, String> {
        match tokio::time::timeout(within, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", within.as_secs())),
        }
    }

    /// Sends all requests and waits for what comes of them: for at most the time that they are
    /// to take, and [`GRACE`] and [`ANSWER`] on top. Dropped early, it sends nothing more.
    ///
    /// # Errors
    /// When the generator itself fails.
    pub async fn run(&self) -> Result<Answered, String> {
        let mut sum = Seen::new()?;
        let start = Instant::now();
        let cpu = own_cpu();
        let last = start + Duration::from_secs_f64(as_float(self.requests) / self.rate);
        let shared = Arc::new(Shared {
            plan: self.clone(),
            start,
            over: last + GRACE,
            next: AtomicU64::new(0),
        });
        let mut clients = JoinSet::new();
        for _ in 0..self.connections {
            clients.spawn(client(shared.clone(), sum.clone()));
        }
        let mut beating = JoinSet::new();
        beating.spawn(beat(start, last, sum.clone()));
        while let Some(seen) = clients.join_next().await {
            sum.add(seen.map_err(|error| error.to_string())?);
        }
        let took = start.elapsed();
        let own_cores = own_cpu().saturating_sub(cpu).as_secs_f64() / took.as_secs_f64();
        while let Some(beats) = beating.join_next().await {
            sum.add(beats.map_err(|error| error.to_string())?);
        }
        Ok(Answered {
            requests: self.requests,
            rate: self.rate,
            connections: self.connections,
            answered: sum.answered,
            latency: Quantiles {
                p50_us: sum.latency.value_at_quantile(0.5),
                p95_us: sum.latency.value_at_quantile(0.95),
                p99_us: sum.latency.value_at_quantile(0.99),
                max_us: sum.latency.max(),
            },
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            own_delay_us: sum.delay.value_at_quantile(0.95),
            own_cores,
            sent_late_us: sum.sent.value_at_quantile(0.95),
            errors: sum.errors,
        })
    }

    /// One request on a connection of its own, as most that ask a service for the first time, and
    /// as `ab` does: one that was kept open could be closed by the server while it is asked.
    async fn ask(&self) -> Result<u16, String> {
        let stream = TcpStream::connect(self.target)
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        let (mut connection, driver) =
            handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
        // It ends with the connection.
        tokio::spawn(driver);
        let request = Request::get(&self.path)
            .header(HOST, &self.host)
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = connection.send_request(request).await.map_err(|error| told(&error))?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut read: usize = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| told(&error))?;
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST_BODY {
                return Err(format!("an answer of more than {} MiB", MOST_BODY >> 20));
            }
        }
        Ok(status)
    }
}

struct Shared {
    plan: Plan,
    start: Instant,
    /// From when on nothing more is sent.
    over: Instant,
    next: AtomicU64,
}

/// What one connection has seen.
#[derive(Clone)]
struct Seen {
    answered: u64,
    errors: BTreeMap<String, u64>,
    latency: Histogram<u64>,
    delay: Histogram<u64>,
    sent: Histogram<u64>,
}

/// Takes the next request that is to be sent, until there is none.
async fn client(shared: Arc<Shared>, mut seen: Seen) -> Seen {
    let plan = &shared.plan;
    let mut free = shared.start;
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.requests {
            return seen;
        }
        let intended = shared.start + Duration::from_secs_f64(as_float(number) / plan.rate);
        tokio::time::sleep_until(intended).await;
        let sent = Instant::now();
        record(&mut seen.sent, sent - intended);
        if sent >= shared.over {
            seen.error("not sent: every connection still waited for an answer".to_owned());
            record(&mut seen.latency, sent - intended);
            continue;
        }
        record(&mut seen.delay, sent - intended.max(free));
        match tokio::time::timeout(ANSWER, plan.ask()).await {
            Ok(Ok(status)) if status < 400 => {
                seen.answered += 1;
                record(&mut seen.latency, intended.elapsed());
            }
            Ok(Ok(status)) => seen.error(format!("status {status}")),
            Ok(Err(why)) => seen.error(why),
            Err(_) => {
                seen.error(format!("no answer within {} s", ANSWER.as_secs()));
                record(&mut seen.latency, intended.elapsed());
            }
        }
        free = Instant::now();
    }
}

/// Looks at fixed times until `last` how late it is. When every connection waits, nothing else
/// tells a slow service from a slow generator.
async fn beat(start: Instant, last: Instant, mut seen: Seen) -> Seen {
    let mut beats = tokio::time::interval_at(start + BEAT, BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        let intended = beats.tick().await;
        record(&mut seen.delay, intended.elapsed());
        if intended >= last {
            return seen;
        }
    }
}

impl Seen {
    fn new() -> Result<Seen, String> {
        // Times of up to ten minutes in microseconds, to three digits.
        let times = Histogram::new_with_bounds(1, 600_000_000, 3);
        let times = times.map_err(|error| format!("cannot make a histogram: {error}"))?;
        Ok(Seen {
            answered: 0,
            errors: BTreeMap::new(),
            latency: times.clone(),
            delay: times.clone(),
            sent: times,
        })
    }

    fn error(&mut self, what: String) {
        self.count(what, 1);
    }

    fn count(&mut self, what: String, times: u64) {
        let known = self.errors.contains_key(&what) || self.errors.len() < MOST_KINDS;
        let what = if known { what } else { "other errors".to_owned() };
        *self.errors.entry(what).or_default() += times;
    }

    fn add(&mut self, other: Seen) {
        self.answered += other.answered;
        for (what, times) in other.errors {
            self.count(what, times);
        }
        // All have the same bounds, so nothing can be refused.
        let _ = self.latency.add(&other.latency);
        let _ = self.delay.add(&other.delay);
        let _ = self.sent.add(&other.sent);
    }
}

fn record(times: &mut Histogram<u64>, time: Duration) {
    times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
}

/// The CPU time that this process has used.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// An error with its cause, which the client leaves out of its own words.
fn told(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^53")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
