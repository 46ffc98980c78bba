//! One event loop of the server: its own epoll instance, its own connections, a listener that it
//! shares with the other workers.

mod accept;
mod drain;
mod serve;

pub use serve::serve;

use std::io;
use std::net::{IpAddr, Shutdown as Half, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Failure, Step};
use crate::duration::GoDuration;
use crate::epoll::{Epoll, Events, Interest};
use crate::log::{Escaped, Level, Log};
use crate::socket::Corked;
use crate::table::{Class, Table};
use drain::Drain;
use serve::Shared;

const LISTENER: u64 = u64::MAX;
const SHUTDOWN: u64 = u64::MAX - 1;

/// Events of one turn.
const EVENTS: usize = 256;
/// What one read takes at the most, in bytes.
const SCRATCH: usize = 64 * 1024;
/// How long a peer may leave its side open once it has its echo.
const LINGER: Duration = Duration::from_secs(2);

/// A connection, and what epoll has been told of it.
struct Peer {
    stream: TcpStream,
    ip: IpAddr,
    connection: Connection,
    interest: Option<Interest>,
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    epoll: Epoll,
    /// None once it is closed: the worker is draining.
    listener: Option<Arc<TcpListener>>,
    peers: Table<Peer>,
    scratch: Vec<u8>,
    log: Log,
    /// The time of this turn.
    now: Instant,
    /// While accepting pauses, when it resumes.
    resume: Option<Instant>,
    drain: Option<Drain>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>, listener: Arc<TcpListener>, log: Log) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(shared.shutdown, SHUTDOWN, Interest::Readable)?;
        epoll.add(&*listener, LISTENER, Interest::Exclusive)?;
        Ok(Self {
            shared,
            epoll,
            listener: Some(listener),
            peers: Table::new(),
            scratch: vec![0; SCRATCH],
            log,
            now: Instant::now(),
            resume: None,
            drain: None,
        })
    }

    /// Serves until the end is asked for and everything is closed.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.listener.is_some() || !self.peers.is_empty() {
            let timeout = self.deadline().map(|at| at.saturating_duration_since(self.now));
            self.epoll.wait(&mut events, timeout)?;
            self.now = Instant::now();
            if events.contain(SHUTDOWN) {
                self.begin_drain()?;
            }
            for token in events.tokens() {
                match token {
                    SHUTDOWN => {}
                    LISTENER => _ = self.accept(),
                    index => self.advance(index as usize),
                }
            }
            self.resume();
            self.expire();
            self.sweep();
            self.log.flush();
        }
        drop(self.epoll);
        self.log.info(format_args!("action: close_epoll | result: success"));
        self.log.flush();
        Ok(())
    }

    /// When the loop has something to do even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let due = |class| self.peers.first(class).map(|(_, at)| at);
        let sweep = self.drain.as_ref().map(|drain| drain.next);
        [due(Class::Serving), due(Class::Lingering), self.resume, sweep].into_iter().flatten().min()
    }

    /// Lets a connection go on as far as it can without waiting.
    fn advance(&mut self, index: usize) {
        // Gone, when an earlier event of this turn has closed it.
        let Some(Peer { stream, ip, connection, .. }) = self.peers.get_mut(index) else { return };
        let (log, limit) = (&mut self.log, self.shared.config.message_limit);
        let mut stream = Corked(stream);
        let step = connection.advance(&mut stream, &mut self.scratch, limit, |message| {
            let message = Escaped(message.strip_suffix(b"\n").unwrap_or(message));
            log.info(format_args!(
                "action: receive_message | result: success | ip: {ip} | msg: {message}"
            ));
        });
        let waits = matches!(step, Ok(Step::AwaitReadable | Step::AwaitWritable));
        if self.drain.is_some() && waits && !connection.is_silent() {
            self.shared.shutdown.arm();
        }
        match step {
            Ok(Step::AwaitReadable) => self.watch(index, Interest::Readable),
            Ok(Step::AwaitWritable) => self.watch(index, Interest::Writable),
            Ok(Step::Echoed) => self.linger(index),
            Ok(Step::Ended) => self.close(index),
            Err(failure) => {
                log.error(format_args!(
                    "action: receive_message | result: fail | ip: {ip} | error: {failure}"
                ));
                match failure {
                    Failure::TooLong(_) => self.linger(index),
                    Failure::Empty | Failure::Io(_) => self.close(index),
                }
            }
        }
    }

    fn watch(&mut self, index: usize, interest: Interest) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Peer { stream, ip, interest: told, .. } = peer;
        if let Err(error) = self.epoll.watch(&*stream, index as u64, told, interest) {
            self.log.error(format_args!(
                "action: receive_message | result: fail | ip: {ip} | error: {error}"
            ));
            self.close(index);
        }
    }

    /// Ends our side: the peer sees the end of the echo, and we wait for the end of its side.
    fn linger(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if peer.stream.shutdown(Half::Write).is_err() {
            return self.close(index);
        }
        self.peers.reschedule(index, Class::Lingering, self.now + LINGER);
        self.watch(index, Interest::Readable);
    }

    /// Closes those whose time is up.
    fn expire(&mut self) {
        while let Some((index, _)) = self.due(Class::Serving) {
            self.give_up(index, self.shared.config.timeout);
        }
        while let Some((index, _)) = self.due(Class::Lingering) {
            self.close(index);
        }
    }

    /// Closes one whose message has not been received or sent back within `limit`.
    fn give_up(&mut self, index: usize, limit: Duration) {
        if let Some(Peer { ip, connection, .. }) = self.peers.get_mut(index) {
            let limit = GoDuration::from(limit);
            self.log.error(format_args!(
                "action: receive_message | result: fail | ip: {ip} | error: timed out after {limit}: {connection}"
            ));
        }
        self.close(index);
    }

    fn due(&self, class: Class) -> Option<(usize, Instant)> {
        self.peers.first(class).filter(|&(_, at)| at <= self.now)
    }

    fn close(&mut self, index: usize) {
        let Some(Peer { stream, ip, .. }) = self.peers.remove(index) else { return };
        drop(stream);
        let level = if self.drain.is_some() { Level::Info } else { Level::Debug };
        self.log
            .write(level, format_args!("action: close_connection | result: success | ip: {ip}"));
        if self.resume.is_some() {
            // A descriptor is free.
            self.resume = Some(self.now);
        }
    }
}
