//! The closed loop.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::exchange::{Exchange, Step};
use crate::{seconds, socket};

#[derive(Args)]
pub struct Options {
    /// 127.x.x.x:port
    #[arg(value_parser = socket::loopback)]
    address: SocketAddr,
    /// How many, one after the other
    #[arg(long, default_value_t = 10_000)]
    connections: u64,
    /// How many of them at the same time
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// Threads that share the connections
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
    /// Bytes of a message, newline included; shorter than the usual text is as long as that
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Sends only when it has waited for the connection to be writable: mostly the server has accepted it by then
    #[arg(long)]
    late: bool,
    /// Sends a message in so many pieces
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pieces: u64,
    /// Seconds between two pieces
    #[arg(long, default_value = "0.002", value_parser = seconds)]
    pause: Duration,
    /// Seconds after which it ends, whatever is not done by then a failure
    #[arg(long, default_value = "30", value_parser = seconds)]
    limit: Duration,
}

/// Nanoseconds; a longer latency counts as this long.
const LONGEST: u64 = 60_000_000_000;

/// A thread's share of it all.
struct Run<'a> {
    options: &'a Options,
    connections: u64,
    poll: Poll,
    slots: Vec<Option<Exchange>>,
    /// Who pauses until when, its slot and its number: in order, for all pauses are of the same length.
    paused: VecDeque<(Instant, usize, u64)>,
    begun: u64,
    outcome: Outcome,
}

struct Outcome {
    latency: Histogram<u64>,
    failures: u64,
    first_failure: Option<io::Error>,
}

/// Prints one JSON object.
pub fn run(options: &Options) -> io::Result<()> {
    let start = Instant::now();
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|number| scope.spawn(move || Run::new(options, number)?.drive(start)))
            .collect();
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("no thread panics");
        threads.into_iter().map(join).collect::<io::Result<Vec<Outcome>>>()
    })?;
    let elapsed = start.elapsed().as_secs_f64();
    let mut latency = new_histogram()?;
    let mut failures = Vec::new();
    for outcome in outcomes {
        latency.add(outcome.latency).map_err(io::Error::other)?;
        failures.extend(outcome.first_failure);
    }
    let done = latency.len();
    let failed = options.connections - done;
    let microseconds = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{{\"connections\": {done}, \"failures\": {failed}, \"seconds\": {elapsed:.6}, \
         \"per_second\": {:.1}, \"p50_us\": {:.1}, \"p90_us\": {:.1}, \"p99_us\": {:.1}, \
         \"p999_us\": {:.1}, \"max_us\": {:.1}}}",
        done as f64 / elapsed,
        microseconds(0.5),
        microseconds(0.9),
        microseconds(0.99),
        microseconds(0.999),
        microseconds(1.0),
    );
    match (failed, failures.first()) {
        (0, _) => Ok(()),
        (_, Some(error)) => Err(io::Error::other(format!("{failed} failed, the first: {error}"))),
        (_, None) => Err(io::Error::other(format!("{failed} unfinished in time"))),
    }
}

fn new_histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_max(LONGEST, 3).map_err(io::Error::other)
}

/// What the `number`th of `parts` gets of `whole`.
fn share(whole: u64, parts: u64, number: u64) -> u64 {
    whole * (number + 1) / parts - whole * number / parts
}

impl Run<'_> {
    fn new(options: &Options, number: u64) -> io::Result<Run<'_>> {
        let share = |whole| share(whole, options.threads, number);
        Ok(Run {
            options,
            connections: share(options.connections),
            poll: Poll::new()?,
            slots: (0..share(options.in_flight).max(1)).map(|_| None).collect(),
            paused: VecDeque::new(),
            begun: 0,
            outcome: Outcome { latency: new_histogram()?, failures: 0, first_failure: None },
        })
    }

    fn drive(mut self, start: Instant) -> io::Result<Outcome> {
        let deadline = start + self.options.limit;
        let mut events = Events::with_capacity(self.slots.len());
        for slot in 0..self.slots.len() {
            self.refill(slot);
        }
        while self.outcome.latency.len() + self.outcome.failures < self.connections {
            let next = self.paused.front().map_or(deadline, |&(due, ..)| due.min(deadline));
            let timeout = next.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                self.advance(event.token().0);
            }
            let now = Instant::now();
            self.resume(now);
            if now >= deadline {
                break;
            }
        }
        Ok(self.outcome)
    }

    /// Ends the pauses that are over.
    fn resume(&mut self, now: Instant) {
        while let Some(&(due, slot, number)) = self.paused.front() {
            if due > now {
                return;
            }
            self.paused.pop_front();
            // If it has failed meanwhile, another one has its slot.
            let pausing = self.slots[slot].as_mut().filter(|exchange| exchange.number == number);
            if let Some(exchange) = pausing {
                exchange.permit_piece(self.options.pieces);
                self.advance(slot);
            }
        }
    }

    /// Begins the next connection in `slot`, if it is empty and there is one.
    fn refill(&mut self, slot: usize) {
        while self.slots[slot].is_none() && self.begun < self.connections {
            self.begun += 1;
            if let Err(error) = self.begin(slot) {
                self.fail(error);
            }
        }
    }

    fn begin(&mut self, slot: usize) -> io::Result<()> {
        let number = self.begun;
        let mut message = format!("[CLIENT 1] Message N°{number}").into_bytes();
        message.resize(message.len().max(self.options.size.saturating_sub(1)), b'.');
        message.push(b'\n');
        let mut exchange = Exchange::begin(self.options.address, number, message)?;
        exchange.permit_piece(self.options.pieces);
        // On loopback the handshake is over by now: mostly the whole message goes out at once.
        let step = if self.options.late { Step::Wait } else { exchange.send()? };
        let interest = exchange.interest();
        self.poll.registry().register(&mut exchange.stream, Token(slot), interest)?;
        self.slots[slot] = Some(exchange);
        self.note(slot, step);
        Ok(())
    }

    fn advance(&mut self, slot: usize) {
        let Some(exchange) = &mut self.slots[slot] else {
            return;
        };
        match exchange.advance() {
            Ok(step) => self.note(slot, step),
            Err(error) => {
                self.slots[slot] = None;
                self.fail(error);
            }
        }
        self.refill(slot);
    }

    fn note(&mut self, slot: usize, step: Step) {
        match step {
            Step::Wait => {}
            Step::Pause => {
                if let Some(exchange) = &self.slots[slot] {
                    let due = Instant::now() + self.options.pause;
                    self.paused.push_back((due, slot, exchange.number));
                }
            }
            Step::Done => {
                if let Some(exchange) = self.slots[slot].take() {
                    let elapsed = exchange.start.elapsed();
                    self.outcome.latency.saturating_record(elapsed.as_nanos() as u64);
                }
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.outcome.failures += 1;
        self.outcome.first_failure.get_or_insert(error);
    }
}
