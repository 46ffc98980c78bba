//! One worker: an event loop with an epoll instance and connections of its own.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Shutdown as Half, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accept::{self, Acceptor};
use super::connection::{Connection, Error, Next};
use super::deadlines::{Class, Deadlines, LAST_LOOK, LINGER, LOOK};
use super::shutdown::{self, Phase, Shutdown};
use crate::config::ServerConfig;
use crate::config::duration::GoDuration;
use crate::log::{Escaped, Level, Log};
use crate::sys::epoll::{Epoll, Events};
use crate::sys::poll::Interest;
use crate::sys::signal::StopSignal;
use crate::sys::stream::Corked;

/// Events of one loop iteration.
const EVENTS: usize = 256;
/// Connections accepted in one loop iteration, so that those that are open need not wait for long.
const ACCEPTS: usize = 64;
/// What one read takes at the most, in bytes.
const SCRATCH: usize = 64 * 1024;

struct Peer {
    stream: TcpStream,
    ip: IpAddr,
    connection: Connection,
    is_registered: bool,
}

pub struct EventLoop<'a> {
    config: &'a ServerConfig,
    shutdown: &'a Shutdown,
    epoll: Epoll,
    acceptor: Acceptor<'a>,
    peers: Deadlines<Peer>,
    scratch: Vec<u8>,
    log: Log,
    /// The time of this loop iteration.
    now: Instant,
}

impl<'a> EventLoop<'a> {
    pub fn new(
        config: &'a ServerConfig,
        listener: Arc<TcpListener>,
        accepting: &'a accept::Shared,
        stop: &StopSignal,
        shutdown: &'a Shutdown,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.await_once(stop, shutdown::SIGNAL_TOKEN, Interest::Readable, &mut false)?;
        Ok(Self {
            config,
            shutdown,
            acceptor: Acceptor::new(listener, accepting, &epoll)?,
            epoll,
            peers: Deadlines::new(),
            scratch: vec![0; SCRATCH],
            log: Log::new(config.logging_level.level),
            now: Instant::now(),
        })
    }

    /// Serves until the stop signal has come and everything is closed.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.acceptor.listener().is_some() || self.peers.next().is_some() {
            self.epoll.wait(&mut events, self.timeout())?;
            self.now = Instant::now();
            for token in events.tokens() {
                match token {
                    // The event only wakes the loop: the signal itself is checked below.
                    shutdown::SIGNAL_TOKEN => {}
                    accept::LISTENER_TOKEN => _ = (0..ACCEPTS).all(|_| self.accept_one(false)),
                    // An event of a connection that this iteration has closed may meet another one at
                    // its index. That is harmless: a read that has nothing to read changes nothing.
                    index => self.advance(index),
                }
            }
            self.expire();
            self.acceptor.resume(&self.epoll, self.now);
            if self.shutdown.begin_if_signalled(self.acceptor.listener(), &mut self.log) {
                self.drain();
            }
            self.log.flush();
        }
        drop(self.epoll);
        self.log.info(format_args!("action: close_epoll | result: success"));
        self.log.flush();
        Ok(())
    }

    /// The time until the next deadline, if there is one.
    fn timeout(&self) -> Option<Duration> {
        let shutdown = self.shutdown.next_deadline(self.now);
        let deadlines = [self.peers.next(), self.acceptor.next_deadline(), shutdown];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Returns false when the queue is empty, or accepting is paused.
    fn accept_one(&mut self, is_last_call: bool) -> bool {
        if self.acceptor.is_full() {
            // Makes room: some may have closed already.
            self.look(Duration::ZERO);
        }
        let accepted = self.acceptor.accept(is_last_call, &self.epoll, self.now, &mut self.log);
        let Some((stream, ip)) = accepted else { return false };
        self.log.info(format_args!("action: accept_connections | result: success | ip: {ip}"));
        let peer = Peer { stream, ip, connection: Connection::NEW, is_registered: false };
        match self.peers.insert(peer, Class::Service, self.now + self.config.timeout) {
            Ok(index) => self.advance(index),
            Err(error) => {
                self.acceptor.release(self.now);
                log_failure(&mut self.log, ip, &error);
            }
        }
        self.log.info(format_args!("action: accept_connections | result: in_progress"));
        true
    }

    /// Lets a connection go on as far as it can without waiting.
    fn advance(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Peer { stream, ip, connection, is_registered } = peer;
        let (log, limit) = (&mut self.log, self.config.message_limit);
        let next = connection.advance(&mut Corked(stream), &mut self.scratch, limit, |message| {
            let message = Escaped(message.strip_suffix(b"\n").unwrap_or(message));
            log.info(format_args!(
                "action: receive_message | result: success | ip: {ip} | msg: {message}"
            ));
        });
        match next {
            Ok(Next::Await(interest)) => {
                let result = self.epoll.await_once(&*stream, index, interest, is_registered);
                if let Err(error) = result {
                    log_failure(log, *ip, &error);
                    self.close(index);
                }
            }
            Ok(Next::HalfClose) => self.half_close(index),
            Ok(Next::Close) => self.close(index),
            Err(error) => {
                log_failure(log, *ip, &error);
                let lingers = matches!(error, Error::TooLong(_));
                if lingers { self.half_close(index) } else { self.close(index) }
            }
        }
    }

    /// Half-close: the peer sees the end of the echo.
    fn half_close(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        match peer.stream.shutdown(Half::Write) {
            Ok(()) => self.peers.reschedule(index, Class::Look, self.now + LAST_LOOK),
            Err(_) => self.close(index),
        }
    }

    /// Deals with connections whose time has come.
    fn expire(&mut self) {
        self.look(LOOK);
        while let Some(index) = self.peers.due(Class::Service, self.now) {
            self.give_up(index, self.config.timeout);
        }
        while let Some(index) = self.peers.due(Class::Linger, self.now) {
            self.close(index);
        }
    }

    /// Closes the connections whose echo is at least of this age if the peer has closed, and registers the
    /// others with epoll. Their deadline is LAST_LOOK after the echo.
    fn look(&mut self, age: Duration) {
        while let Some(index) = self.peers.due(Class::Look, self.now + LAST_LOOK - age) {
            self.peers.reschedule(index, Class::Linger, self.now + LINGER);
            self.advance(index);
        }
    }

    /// Closes what is to be closed in this phase of the shutdown. O(n), but only then.
    fn drain(&mut self) {
        let phase = self.shutdown.phase(self.now);
        let is_over = phase == Phase::Over;
        if is_over {
            // First, for their file descriptors: the queue may need more than there are.
            self.close_all();
        }
        if self.acceptor.listener().is_none() || !(is_over || phase == Phase::Draining) {
            return;
        }
        _ = (0..=u16::MAX).all(|_| self.accept_one(true)); // no queue is longer
        // A pause means that the queue is not empty, and waits for file descriptors.
        let is_done = is_over || !self.acceptor.is_paused();
        if is_done && self.acceptor.close(&self.epoll) {
            self.log.info(format_args!("action: close_listener | result: success"));
        }
        if is_over { self.close_all() } else { self.close_silent() }
    }

    /// Closes the connections that have sent nothing. What has arrived by now is still served.
    fn close_silent(&mut self) {
        for index in self.peers.indices() {
            self.advance(index);
            if self.peers.get_mut(index).is_some_and(|peer| peer.connection.is_silent()) {
                self.close(index);
            }
        }
    }

    fn close_all(&mut self) {
        self.close_silent();
        for index in self.peers.indices() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let lingers = matches!(peer.connection, Connection::Lingering);
            if lingers { self.close(index) } else { self.give_up(index, self.config.drain_timeout) }
        }
    }

    /// Closes a connection whose message has not been received or sent back within `limit`.
    fn give_up(&mut self, index: usize, limit: Duration) {
        let Some(Peer { connection, ip, .. }) = self.peers.get_mut(index) else { return };
        let reason = format!("timed out after {}: {connection}", GoDuration(limit));
        log_failure(&mut self.log, *ip, &reason);
        self.close(index);
    }

    fn close(&mut self, index: usize) {
        // Begins the shutdown if the signal has just come: its line precedes those of what it closes.
        let stops = self.shutdown.begin_if_signalled(self.acceptor.listener(), &mut self.log);
        let level = if stops { Level::Info } else { Level::Debug };
        let Some(Peer { stream, ip, .. }) = self.peers.remove(index) else { return };
        drop(stream);
        self.acceptor.release(self.now);
        self.log
            .write(level, format_args!("action: close_connection | result: success | ip: {ip}"));
    }
}

fn log_failure(log: &mut Log, ip: IpAddr, error: &dyn Display) {
    log.error(format_args!("action: receive_message | result: fail | ip: {ip} | error: {error}"));
}
