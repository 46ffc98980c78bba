//! Delivers messages: one connection each, tried again until the message's time is up. A stop signal
//! ends every wait at once.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::backoff::Backoff;
use super::exchange::{self, Exchange, Progress};
use super::lookup::Lookup;
use crate::config::ClientConfig;
use crate::config::duration::GoDuration;
use crate::log::{Escaped, Level, Log};
use crate::sys::poll::{self, Interest};
use crate::sys::signal::{self, StopSignal};
use crate::sys::stream;

/// How long a peer's host may answer nothing at all, in seconds. Then the next address is tried, or the
/// name looked up again: a container that was replaced has another address.
const DEAD_PATH: u16 = 4;

/// Why a message is not delivered.
#[derive(Debug)]
pub enum Error {
    /// A stop signal has come.
    Stopped,
    /// Another attempt may help.
    Retryable(String),
    /// Another attempt would not help, or there is no time for one.
    Fatal(String),
}

use Error::{Fatal, Retryable, Stopped};

/// The client's connections to the server, one at a time.
pub struct Delivery<'a> {
    config: &'a ClientConfig,
    stop: StopSignal,
    pub log: Log,
}

impl<'a> Delivery<'a> {
    pub fn new(config: &'a ClientConfig, stop: StopSignal, log: Log) -> Self {
        Self { config, stop, log }
    }

    /// Sends `message` and gets its echo, within the time that one message may take.
    pub fn deliver(&mut self, message: &[u8]) -> Result<(), Error> {
        let deadline = Instant::now() + self.config.server_timeout;
        let mut backoff = Backoff::new();
        let mut attempt = 1;
        loop {
            let error = match self.attempt(message, deadline) {
                Err(Retryable(error)) => error,
                result => return result,
            };
            self.sleep_until((Instant::now() + backoff.pause()).min(deadline))?;
            if Instant::now() >= deadline {
                let limit = GoDuration(self.config.server_timeout);
                return Err(Fatal(format!("given up after {limit}: {error}")));
            }
            attempt += 1;
            let id = Escaped(self.config.id.as_bytes());
            self.log.warning(format_args!(
                "action: connect | result: in_progress | client_id: {id} | attempt: {attempt} | error: {error}"
            ));
        }
    }

    /// Waits until `moment`.
    pub fn sleep_until(&mut self, moment: Instant) -> Result<(), Error> {
        self.wait(None, moment).map(drop)
    }

    /// One look-up, and one connection to each of the addresses until one of them answers.
    fn attempt(&mut self, message: &[u8], deadline: Instant) -> Result<(), Error> {
        let mut last = Retryable("the name has no address".to_owned());
        for address in self.resolve(deadline)? {
            match self.connect(address, message, deadline) {
                Err(error @ Retryable(_)) => last = error,
                result => return result,
            }
            // No time is left for the others, and their errors would hide which address used it up.
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(last)
    }

    fn resolve(&mut self, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
        let address = &self.config.server_address;
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, address.port)]);
        }
        let host = Escaped(address.host.as_bytes());
        let retryable = |error: io::Error| Retryable(format!("{host}: {error}"));
        let lookup = Lookup::start(address.host.clone(), address.port).map_err(retryable)?;
        let ready = self.wait(Some((lookup.done.as_fd(), Interest::Readable)), deadline);
        let answer = ready.map(|is_ready| is_ready.then(|| lookup.answer()));
        let is_stopped = matches!(answer, Err(Stopped));
        log_close(&mut self.log, self.config, "resolver", is_stopped);
        let late = || Retryable(format!("{host}: no answer from the resolver"));
        answer?.ok_or_else(late)?.map_err(retryable)
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), Error> {
        let retryable = |error: io::Error| Retryable(format!("{address}: {error}"));
        let mut stream = stream::connect(address).map_err(retryable)?;
        let result = match stream::detect_dead_path(&stream, DEAD_PATH) {
            Ok(()) => self.exchange(&mut stream, address, message, deadline),
            Err(error) => Err(retryable(error)),
        };
        drop(stream);
        let is_stopped = matches!(result, Err(Stopped));
        log_close(&mut self.log, self.config, "connection", is_stopped);
        result
    }

    fn exchange(
        &mut self,
        stream: &mut TcpStream,
        address: SocketAddr,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), Error> {
        let retryable = |reason: &dyn Display| Retryable(format!("{address}: {reason}"));
        let mut exchange = Exchange::new(message);
        loop {
            let interest = match exchange.advance(stream) {
                Ok(Progress::Done) => return Ok(()),
                Ok(Progress::Await(interest)) => interest,
                Err(error @ exchange::Error::Differs(_)) => {
                    return Err(Fatal(format!("{address}: {error}")));
                }
                Err(error) => return Err(retryable(&error)),
            };
            if !self.wait(Some((stream.as_fd(), interest)), deadline)? {
                return Err(retryable(&exchange));
            }
        }
    }

    /// Writes the log out, then waits until the file descriptor is ready: false when `deadline` comes
    /// first. The stop signal is part of the same wait.
    fn wait(
        &mut self,
        descriptor: Option<(BorrowedFd<'_>, Interest)>,
        deadline: Instant,
    ) -> Result<bool, Error> {
        self.log.flush();
        loop {
            let timeout = deadline.saturating_duration_since(Instant::now());
            let stop = Some((self.stop.as_fd(), Interest::Readable));
            let [_, is_ready] = poll::wait([stop, descriptor], timeout)
                .map_err(|error| Fatal(format!("poll: {error}")))?;
            if let Some(signal) = signal::received() {
                self.log.info(format_args!(
                    "action: shutdown | result: in_progress | signal: {signal}"
                ));
                return Err(Stopped);
            }
            if is_ready || timeout.is_zero() {
                return Ok(is_ready);
            }
        }
    }

    /// Closes what is still open, and gives the log back.
    pub fn close(mut self, is_stopped: bool) -> Log {
        drop(self.stop);
        log_close(&mut self.log, self.config, "eventfd", is_stopped);
        self.log
    }
}

/// What the shutdown closes is logged at INFO, what ordinary work closes at DEBUG.
fn log_close(log: &mut Log, config: &ClientConfig, resource: &str, is_stopped: bool) {
    let level = if is_stopped { Level::Info } else { Level::Debug };
    let id = Escaped(config.id.as_bytes());
    log.write(level, format_args!("action: close_{resource} | result: success | client_id: {id}"));
}
