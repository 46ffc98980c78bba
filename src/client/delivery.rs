//! Delivers messages: one connection each, tried again until the message's time is up, and every wait
//! ended at once by a signal.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::exchange::{self, Exchange, Step};
use super::resolver::{Answer, Resolver};
use crate::config::ClientConfig;
use crate::config::duration::GoDuration;
use crate::log::{Escaped, Level, Log};
use crate::sys::poll::{self, Interest, Slot};
use crate::sys::signal::Shutdown;
use crate::sys::socket;

/// How long one address may take to answer a handshake, before the next one, or the next attempt,
/// which looks the name up again: a container that was replaced has another address.
const CONNECT: Duration = Duration::from_secs(3);
/// After so long a wait on one connection the kernel is asked to find out whether its path is dead: not
/// at once, for that takes four system calls, and most echoes are there in a moment.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a peer's host may answer nothing at all, in seconds.
const DEAD_PATH: u16 = 4;

/// Why a wait, or what it was for, has ended early.
#[derive(Debug)]
pub enum Interrupt {
    /// A signal asks for the end.
    Signal,
    /// Worth another attempt.
    Setback(String),
    /// Another attempt would not help, or there is no time for one.
    Failure(String),
}

use Interrupt::{Failure, Setback, Signal};

/// The client's connections to the server, one at a time.
pub struct Delivery<'a> {
    config: &'a ClientConfig,
    shutdown: Shutdown,
    resolver: Option<Resolver>,
    pub log: Log,
}

impl<'a> Delivery<'a> {
    pub fn new(config: &'a ClientConfig, shutdown: Shutdown, log: Log) -> Self {
        Self { config, shutdown, resolver: None, log }
    }

    /// Sends `message` and gets its echo, within the time that one message may take.
    pub fn deliver(&mut self, message: &[u8]) -> Result<(), Interrupt> {
        let deadline = Instant::now() + self.config.server_timeout;
        let mut backoff = Backoff::new();
        // Counted from the first retry, the second attempt.
        for attempt in 2u64.. {
            let error = match self.attempt(message, deadline) {
                Err(Setback(error)) => error,
                end => return end,
            };
            self.sleep_until((Instant::now() + backoff.pause()).min(deadline))?;
            if Instant::now() >= deadline {
                let limit = GoDuration::from(self.config.server_timeout);
                return Err(Failure(format!("given up after {limit}: {error}")));
            }
            let id = Escaped(self.config.id.as_bytes());
            self.log.warning(format_args!(
                "action: connect | result: in_progress | client_id: {id} | attempt: {attempt} | error: {error}"
            ));
        }
        unreachable!("a message's time ends before the attempts can be counted")
    }

    /// Waits until `moment`.
    pub fn sleep_until(&mut self, moment: Instant) -> Result<(), Interrupt> {
        while self.wait(None, moment)? {}
        Ok(())
    }

    /// One look-up, and one connection to each of the addresses until one of them answers.
    fn attempt(&mut self, message: &[u8], deadline: Instant) -> Result<(), Interrupt> {
        let mut last = Setback("no address".to_owned());
        for address in self.resolve(deadline)? {
            match self.exchange(address, message, deadline) {
                Err(error @ Setback(_)) => last = error,
                end => return end,
            }
            // The others would only fail for want of time, and hide which one took it.
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(last)
    }

    fn resolve(&mut self, deadline: Instant) -> Result<Vec<SocketAddr>, Interrupt> {
        let address = &self.config.server_address;
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, address.port)]);
        }
        let host = Escaped(address.host.as_bytes());
        let setback = |error: io::Error| Setback(format!("{host}: {error}"));
        let mut resolver = match self.resolver.take() {
            Some(resolver) => resolver,
            None => Resolver::start(address.host.clone(), address.port).map_err(setback)?,
        };
        let asked = resolver.ask().map_err(setback);
        let answer = asked.and_then(|()| self.answer(&mut resolver, deadline));
        self.resolver = Some(resolver);
        answer?.map_err(setback)
    }

    fn answer(&mut self, resolver: &mut Resolver, deadline: Instant) -> Result<Answer, Interrupt> {
        loop {
            if let Some(answer) = resolver.answer() {
                return Ok(answer);
            }
            if !self.wait(Some((resolver.as_fd(), Interest::Readable)), deadline)? {
                let host = Escaped(self.config.server_address.host.as_bytes());
                return Err(Setback(format!("{host}: no answer from the resolver")));
            }
        }
    }

    fn exchange(
        &mut self,
        address: SocketAddr,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), Interrupt> {
        let setback = |error: io::Error| Setback(format!("{address}: {error}"));
        let mut stream = socket::connect(address).map_err(setback)?;
        let result = self.converse(&mut stream, address, message, deadline);
        drop(stream);
        let level = if matches!(result, Err(Signal)) { Level::Info } else { Level::Debug };
        log_close(&mut self.log, level, "connection", &Escaped(self.config.id.as_bytes()));
        result
    }

    fn converse(
        &mut self,
        stream: &mut TcpStream,
        address: SocketAddr,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), Interrupt> {
        let setback = |reason: &dyn Display| Setback(format!("{address}: {reason}"));
        let mut exchange = Exchange::new(message);
        let connect_deadline = deadline.min(Instant::now() + CONNECT);
        let mut patience = Some(Instant::now() + PATIENCE);
        loop {
            let (interest, deadline, missing) = match exchange.advance(stream) {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::AwaitReadable) => (Interest::Readable, deadline, "no echo"),
                Ok(Step::AwaitWritable) if exchange.is_connecting() => {
                    (Interest::Writable, connect_deadline, "no answer to the connection request")
                }
                Ok(Step::AwaitWritable) => (Interest::Writable, deadline, "message not taken"),
                Err(error @ exchange::Failure::Differs(_)) => {
                    return Err(Failure(format!("{address}: {error}")));
                }
                Err(error) => return Err(setback(&error)),
            };
            let moment = patience.unwrap_or(deadline).min(deadline);
            if self.wait(Some((stream.as_fd(), interest)), moment)? {
                continue;
            }
            if Instant::now() >= deadline {
                return Err(setback(&missing));
            }
            patience = None;
            socket::detect_dead_path(stream, DEAD_PATH).map_err(|error| setback(&error))?;
        }
    }

    /// Writes out the log, then waits until `slot` is ready, at most until `deadline`: false when that has come.
    /// True means to look again, be it ready or not.
    fn wait(&mut self, slot: Slot<'_>, deadline: Instant) -> Result<bool, Interrupt> {
        self.log.flush();
        let timeout = deadline.saturating_duration_since(Instant::now());
        let end = Some((self.shutdown.as_fd(), Interest::Readable));
        let waited = poll::wait([end, slot], timeout);
        let [end, ready] = waited.map_err(|error| Failure(format!("poll: {error}")))?;
        if end {
            self.announce_end();
            return Err(Signal);
        }
        Ok(ready || Instant::now() < deadline)
    }

    /// Closes what is still open, logs each closing at `level`, and gives the log back.
    pub fn close(self, level: Level) -> Log {
        let Self { config, shutdown, resolver, mut log } = self;
        let id = Escaped(config.id.as_bytes());
        if resolver.map(drop).is_some() {
            log_close(&mut log, level, "resolver", &id);
        }
        drop(shutdown);
        log_close(&mut log, level, "eventfd", &id);
        log
    }

    fn announce_end(&mut self) {
        if let Some(signal) = self.shutdown.signal() {
            self.log
                .info(format_args!("action: shutdown | result: in_progress | signal: {signal}"));
        }
    }
}

fn log_close(log: &mut Log, level: Level, resource: &str, id: &Escaped<'_>) {
    log.write(level, format_args!("action: close_{resource} | result: success | client_id: {id}"));
}
