//! One event loop of the server: its own epoll instance, its own connections, a listener that it
//! shares with the other workers.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Shutdown as Half, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::connection::{Connection, Failure, Step};
use super::drain::Drain;
use super::table::{Class, Table};
use crate::config::duration::GoDuration;
use crate::log::{Escaped, Level, Log};
use crate::sys::epoll::{Epoll, Events, Interest};
use crate::sys::socket::Corked;

pub(super) const LISTENER: u64 = u64::MAX;
const SHUTDOWN: u64 = u64::MAX - 1;

/// Events of one turn.
const EVENTS: usize = 256;
/// What one read takes at the most, in bytes.
const SCRATCH: usize = 64 * 1024;
/// How long a peer may leave its side open once it has its echo.
const LINGER: Duration = Duration::from_secs(2);
/// How old an echo is when a loop that is awake looks whether its peer has ended. By then most have, and so
/// they never had to be in epoll.
const PATIENCE: Duration = Duration::from_millis(10);
/// The same for a loop that would have to be woken for it: so far ahead that the processor's clock, which
/// ticks anyway, need not be set for it. In a virtual machine that would cost more than all it saves.
pub(super) const IDLE_PATIENCE: Duration = Duration::from_millis(100);

/// A connection, and what epoll has been told of it.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) ip: IpAddr,
    pub(super) connection: Connection,
    pub(super) interest: Option<Interest>,
}

pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) epoll: Epoll,
    /// None once it is closed: the worker is draining.
    pub(super) listener: Option<Arc<TcpListener>>,
    pub(super) peers: Table<Peer>,
    /// Half-closed since when, and not in epoll: those whose peer's end is looked for later.
    pub(super) echoed: VecDeque<(Instant, usize)>,
    pub(super) scratch: Vec<u8>,
    pub(super) log: Log,
    /// The time of this turn.
    pub(super) now: Instant,
    /// While accepting pauses, when it resumes.
    pub(super) resume: Option<Instant>,
    pub(super) drain: Option<Drain>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        listener: Arc<TcpListener>,
        log: Log,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(shared.shutdown, SHUTDOWN, Interest::Readable)?;
        epoll.add(&*listener, LISTENER, Interest::Exclusive)?;
        Ok(Self {
            shared,
            epoll,
            listener: Some(listener),
            peers: Table::new(),
            echoed: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            log,
            now: Instant::now(),
            resume: None,
            drain: None,
        })
    }

    /// Serves until the end is asked for and everything is closed.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.listener.is_some() || !self.peers.is_empty() {
            // From now on, not from this turn's time: a full pipe may have held up the log.
            let timeout = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            self.epoll.wait(&mut events, timeout)?;
            self.now = Instant::now();
            // Not its event: the signal may have come since the wait.
            if self.drain.is_none() && self.shared.shutdown.signal().is_some() {
                self.begin_drain()?;
            }
            for token in events.tokens() {
                match token {
                    SHUTDOWN => {}
                    LISTENER => _ = self.accept(),
                    index => self.advance(index as usize),
                }
            }
            self.revisit(PATIENCE);
            self.resume();
            self.expire();
            self.sweep();
            match self.drain {
                None => self.log.flush_in_time(self.now),
                // A second signal may end it all at any moment.
                Some(_) => self.log.flush(),
            }
        }
        drop(self.epoll);
        self.log.info(format_args!("action: close_epoll | result: success"));
        self.log.flush();
        Ok(())
    }

    /// When the loop has something to do even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let due = |class| self.peers.first(class).map(|(_, at)| at);
        let echoed = self.echoed.front().map(|&(since, _)| since + IDLE_PATIENCE);
        let sweep = self.drain.as_ref().map(|drain| drain.next);
        [due(Class::Serving), due(Class::Lingering), echoed, self.resume, sweep, self.log.due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets a connection go on as far as it can without waiting.
    pub(super) fn advance(&mut self, index: usize) {
        // None at an index that is free: a sweep tries them all.
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
        let Peer { stream, ip, interest: told, connection } = peer;
        if let Err(error) = self.epoll.watch(&*stream, index as u64, told, interest) {
            // One that lingers has had its line.
            if !matches!(connection, Connection::Lingering) {
                self.log.error(format_args!(
                    "action: receive_message | result: fail | ip: {ip} | error: {error}"
                ));
            }
            self.close(index);
        }
    }

    /// Ends our side: the peer sees the end of the echo, and we wait for the end of its side.
    fn linger(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if peer.stream.shutdown(Half::Write).is_err() {
            return self.close(index);
        }
        let is_watched = peer.interest.is_some();
        self.peers.reschedule(index, Class::Lingering, self.now + LINGER);
        // Somebody may be waiting for its descriptor, or for the end of them all.
        let is_urgent = self.resume.is_some() || self.drain.is_some();
        if is_watched || is_urgent || self.echoed.try_reserve(1).is_err() {
            self.watch(index, Interest::Readable);
        } else {
            self.echoed.push_back((self.now, index));
        }
    }

    /// Closes those whose peer has ended since they had their echo, `patience` ago or longer, and begins to
    /// watch the others.
    pub(super) fn revisit(&mut self, patience: Duration) {
        while let Some(&(since, index)) = self.echoed.front() {
            if since + patience > self.now {
                break;
            }
            self.echoed.pop_front();
            self.advance(index);
        }
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
    pub(super) fn give_up(&mut self, index: usize, limit: Duration) {
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

    pub(super) fn close(&mut self, index: usize) {
        let Some(Peer { stream, ip, .. }) = self.peers.remove(index) else { return };
        // Asked first: the signal may come during the close.
        let level = self.shared.shutdown.signal().map_or(Level::Debug, |_| Level::Info);
        if let (Level::Info, Some(listener)) = (level, self.listener.as_deref()) {
            // The signal came in the middle of this turn, and has its line first.
            self.shared.begin_end(listener, &mut self.log);
        }
        drop(stream);
        self.log
            .write(level, format_args!("action: close_connection | result: success | ip: {ip}"));
        if self.resume.is_some() {
            // A descriptor is free.
            self.resume = Some(self.now);
        }
    }
}
