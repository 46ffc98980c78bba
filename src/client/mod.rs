//! The client sends one message at a time, each over a connection of its own, and retries until the message's deadline.
//! A stop signal ends every wait at once.

mod backoff;
pub mod exchange;
mod lookup;

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::config::ClientConfig;
use crate::config::duration::GoDuration;
use crate::escape::Escaped;
use crate::log::{Level, Log};
use crate::sys::poll::{self, Interest};
use crate::sys::signal::{self, StopSignal};
use crate::sys::stream;
use backoff::Backoff;
use exchange::{Exchange, Progress};
use lookup::Lookup;

/// How long a peer's host may answer nothing at all, in seconds. Then the client tries the next address, or looks the
/// name up again, because a container that was replaced has another address.
const DEAD_PATH: u16 = 4;

/// Why a message is not delivered.
#[derive(Debug)]
pub enum Error {
    /// A stop signal has come.
    Stopped,
    /// Another attempt may help.
    Retryable(String),
    /// The deadline came before the name had an address.
    Unresolved(String),
    /// Another attempt would not help, or there is no time for one.
    Fatal(String),
}

use Error::{Fatal, Retryable, Stopped, Unresolved};

/// Delivers messages to the server, over one connection at a time.
pub struct Client<'a> {
    config: &'a ClientConfig,
    stop: StopSignal,
    pub log: Log,
    /// The level of the `close_…` lines: DEBUG, and INFO once the shutdown has begun.
    close_level: Level,
}

impl<'a> Client<'a> {
    pub fn new(config: &'a ClientConfig, stop: StopSignal, log: Log) -> Self {
        Self { config, stop, log, close_level: Level::Debug }
    }

    /// Sends `message` and gets its echo, with retries until `server.timeout` has passed.
    pub fn deliver(&mut self, message: &[u8]) -> Result<(), Error> {
        let deadline = Instant::now() + self.config.server_timeout;
        let mut backoff = Backoff::new();
        let mut attempt = 1;
        let mut last_error = None;
        loop {
            let error = match self.attempt(message, deadline) {
                Err(Retryable(error)) => error,
                // The error of an earlier attempt says more: this attempt had no time.
                Err(Unresolved(error)) => last_error.unwrap_or(error),
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
            last_error = Some(error);
        }
    }

    /// Waits until `moment`.
    pub fn sleep_until(&mut self, moment: Instant) -> Result<(), Error> {
        self.wait(None, moment)?;
        Ok(())
    }

    /// Makes one look-up, and one connection to each of the addresses until one of them answers.
    fn attempt(&mut self, message: &[u8], deadline: Instant) -> Result<(), Error> {
        let mut last_error = Retryable("the name has no address".to_owned());
        for address in self.resolve(deadline)? {
            match self.connect(address, message, deadline) {
                Err(error @ Retryable(_)) => last_error = error,
                result => return result,
            }
            // No time is left for the other addresses, and their errors would hide which one has used it up.
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(last_error)
    }

    fn resolve(&mut self, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
        let address = &self.config.server_address;
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, address.port)]);
        }
        let addresses = self.look_up(&address.host, address.port, deadline);
        self.log_close("resolver");
        addresses
    }

    fn look_up(
        &mut self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Error> {
        let shown = Escaped(host.as_bytes());
        let retryable = |error: io::Error| Retryable(format!("{shown}: {error}"));
        let lookup = Lookup::start(host.to_owned(), port).map_err(retryable)?;
        if !self.wait(Some((lookup.done.as_fd(), Interest::Readable)), deadline)? {
            return Err(Unresolved(format!("{shown}: no answer from the resolver")));
        }
        lookup.answer().map_err(retryable)
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
        self.log_close("connection");
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
                Ok(Progress::Done) => break,
                Ok(Progress::Wait(interest)) => interest,
                Err(error @ exchange::Error::Differs(_)) => {
                    return Err(Fatal(format!("{address}: {error}")));
                }
                Err(error) => return Err(retryable(&error)),
            };
            if !self.wait(Some((stream.as_fd(), interest)), deadline)? {
                return Err(retryable(&exchange));
            }
        }
        if stream::is_connected_to_itself(stream) {
            return Err(retryable(&"nobody listens: the kernel connected the client to itself"));
        }
        Ok(())
    }

    /// Writes the log out, then waits until the file descriptor is ready. Returns false if `deadline` comes first. The
    /// stop signal is part of the same wait.
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
                self.close_level = Level::Info;
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
    pub fn close(mut self) -> Log {
        drop(self.stop);
        log_close(&mut self.log, self.close_level, &self.config.id, "eventfd");
        self.log
    }

    fn log_close(&mut self, resource: &str) {
        log_close(&mut self.log, self.close_level, &self.config.id, resource);
    }
}

fn log_close(log: &mut Log, level: Level, id: &str, resource: &str) {
    let id = Escaped(id.as_bytes());
    log.write(level, format_args!("action: close_{resource} | result: success | client_id: {id}"));
}
