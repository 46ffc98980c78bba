//! What a worker does for its connections: it accepts them, receives, echoes, and closes them, and never waits for one.

use std::fmt::Display;
use std::io;
use std::net::{self, IpAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accept::{Acceptor, OpenConnections};
use super::connection::{Connection, Error, Received};
use super::connections::{Connections, Peer};
use crate::config::ServerConfig;
use crate::config::duration::GoDuration;
use crate::escape::Message;
use crate::log::{Level, Log};
use crate::sys::epoll::Epoll;
use crate::sys::poll::Interest;
use crate::sys::signal::StopSignal;
use crate::sys::stream::MoreFollows;

/// The token of the stop signal's event.
pub const STOP_SIGNAL: u64 = u64::MAX - 1;

/// The most connections that one call accepts, so that the open ones need not wait for long.
const ACCEPTS: usize = 64;

/// The most bytes that one read takes.
const SCRATCH: usize = 64 * 1024;

/// If a peer has sent part of a message and then nothing for this time, that part is the message.
const IDLE: Duration = Duration::from_secs(1);

/// The loop checks this long after the half-close whether the peer has closed. Most peers have, and so need neither a
/// registration with epoll nor an event.
const CHECK: Duration = Duration::from_millis(100);

/// A loop that is awake for another reason checks after this time already. This saves a tenth of the CPU per
/// connection.
const EARLY_CHECK: Duration = Duration::from_millis(10);

/// How long a peer may leave its side open after that check.
const LINGER: Duration = Duration::from_secs(2);

pub struct Service<'a> {
    config: &'a ServerConfig,
    pub epoll: Epoll,
    pub acceptor: Acceptor<'a>,
    pub connections: Connections,
    scratch: Vec<u8>,
    pub log: Log,
    /// The level of the line for a closed connection: DEBUG, and INFO once the shutdown has begun.
    pub close_level: Level,
    /// The time of this loop iteration.
    pub now: Instant,
}

impl<'a> Service<'a> {
    pub fn new(
        config: &'a ServerConfig,
        listener: Arc<TcpListener>,
        open: &'a OpenConnections,
        stop: &StopSignal,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(stop, STOP_SIGNAL, Interest::Readable)?;
        let acceptor = Acceptor::new(listener, open, &epoll)?;
        Ok(Self {
            config,
            epoll,
            acceptor,
            connections: Connections::default(),
            scratch: vec![0; SCRATCH],
            log: Log::new(config.logging_level.level),
            close_level: Level::Debug,
            now: Instant::now(),
        })
    }

    /// Whether the worker has neither the listener nor a connection.
    pub fn is_over(&self) -> bool {
        self.acceptor.listener().is_none() && self.connections.is_empty()
    }

    /// Accepts connections until the queue is empty, but not too many at once. Returns whether there were any.
    pub fn accept_some(&mut self) -> bool {
        for count in 0..ACCEPTS {
            let Some((stream, ip)) = self.acceptor.accept(self.now, &mut self.log) else {
                return count > 0;
            };
            self.log.info(format_args!("action: accept_connections | result: success | ip: {ip}"));
            let peer = Peer::new(stream, ip, self.now + self.config.timeout);
            let index = self.connections.insert(peer);
            // The message is often there already.
            self.advance(index);
            self.log.info(format_args!("action: accept_connections | result: in_progress"));
        }
        true
    }

    /// Takes the next step of a connection, as far as it can go without waiting.
    pub fn advance(&mut self, index: usize) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        match peer.connection {
            Connection::Receiving(_) => _ = self.receive(index),
            Connection::Sending { .. } => self.send(index),
            Connection::HalfClosed | Connection::Lingering => self.check_closed(index),
        }
    }

    /// Reads until the message is complete or nothing more has arrived.
    pub fn receive_all(&mut self, index: usize) {
        while self.receive(index) {}
    }

    /// Reads once. Returns true if it has read a part of a message, so there may be more to read.
    fn receive(&mut self, index: usize) -> bool {
        let Some(peer) = self.connections.get_mut(index) else { return false };
        let limit = self.config.message_limit;
        match peer.connection.receive(&mut &peer.stream, &mut self.scratch, limit) {
            Ok(Received::Nothing) => self.arm(index, Interest::Readable),
            Ok(Received::Part) => {
                let due = peer.echo_deadline.min(self.now + IDLE);
                self.connections.set_due(index, due);
                self.arm(index, Interest::Readable);
                return true;
            }
            Ok(Received::Message) => self.echo(index),
            Ok(Received::End) => self.close(index),
            Err(error) => {
                log_failure(&mut self.log, peer.ip, &error);
                match error {
                    // The peer may still be sending.
                    Error::TooLong(_) => self.half_close(index),
                    Error::Io(_) => self.close(index),
                }
            }
        }
        false
    }

    /// Logs a message that is complete, and begins to send it back.
    fn echo(&mut self, index: usize) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        if let Connection::Sending { message, .. } = &peer.connection {
            let (ip, message) = (peer.ip, Message(message));
            self.log.info(format_args!(
                "action: receive_message | result: success | ip: {ip} | msg: {message}"
            ));
        }
        let due = peer.echo_deadline;
        self.connections.set_due(index, due);
        self.send(index);
    }

    fn send(&mut self, index: usize) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        match peer.connection.send(&mut MoreFollows(&peer.stream)) {
            Ok(true) => self.half_close(index),
            Ok(false) => self.arm(index, Interest::Writable),
            Err(error) => {
                log_failure(&mut self.log, peer.ip, &error);
                self.close(index);
            }
        }
    }

    /// Ends the server's side of the stream, so that the peer sees the end of the echo.
    fn half_close(&mut self, index: usize) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        match peer.stream.shutdown(net::Shutdown::Write) {
            Ok(()) => {
                peer.connection = Connection::HalfClosed;
                self.connections.set_due(index, self.now + CHECK);
            }
            Err(_) => self.close(index),
        }
    }

    /// Closes a connection whose peer has closed. If the peer has not, the server lingers.
    fn check_closed(&mut self, index: usize) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        if Connection::has_closed(&mut &peer.stream, &mut self.scratch) {
            self.close(index);
            return;
        }
        if matches!(peer.connection, Connection::HalfClosed) {
            peer.connection = Connection::Lingering;
            self.connections.set_due(index, self.now + LINGER);
        }
        self.arm(index, Interest::Readable);
    }

    /// Asks epoll for one event of the connection. If that fails, its deadline closes the connection.
    fn arm(&mut self, index: usize, interest: Interest) {
        let Some(peer) = self.connections.get_mut(index) else { return };
        let token = index as u64;
        let _ = if peer.is_registered {
            self.epoll.rearm(&peer.stream, token, interest)
        } else {
            self.epoll.add(&peer.stream, token, interest)
        };
        peer.is_registered = true;
    }

    /// Deals with the connections that are due.
    pub fn expire(&mut self) {
        while let Some((due, index)) = self.connections.first_due() {
            let Some(peer) = self.connections.get_mut(index) else { return };
            let due = match peer.connection {
                // The loop is awake, so it checks this connection early.
                Connection::HalfClosed => due - (CHECK - EARLY_CHECK),
                _ => due,
            };
            if due > self.now {
                return;
            }
            match peer.connection {
                Connection::Receiving(_) => self.expire_receiving(index),
                Connection::Sending { .. } => self.expire_sending(index),
                Connection::HalfClosed => self.check_closed(index),
                Connection::Lingering => self.close(index),
            }
        }
    }

    fn expire_receiving(&mut self, index: usize) {
        // Read first what lies in the socket, because somebody may have paused the whole process.
        self.receive_all(index);
        let Some(peer) = self.connections.get_mut(index) else { return };
        if !matches!(peer.connection, Connection::Receiving(_)) || peer.due() > self.now {
            return;
        }
        let is_idle = peer.due() < peer.echo_deadline;
        if is_idle {
            // The bytes received so far are the message.
            peer.connection.end_message();
            self.echo(index);
        } else {
            self.give_up(index, self.config.timeout);
        }
    }

    fn expire_sending(&mut self, index: usize) {
        // Try once more: the peer may have made room while the whole process was paused.
        self.send(index);
        let peer = self.connections.get_mut(index);
        if peer.is_some_and(|peer| matches!(peer.connection, Connection::Sending { .. })) {
            self.give_up(index, self.config.timeout);
        }
    }

    /// Closes a connection whose message has not been received or sent back within `limit`.
    pub fn give_up(&mut self, index: usize, limit: Duration) {
        let Some(Peer { connection, ip, .. }) = self.connections.get_mut(index) else { return };
        let reason = format!("timed out after {}: {connection}", GoDuration(limit));
        log_failure(&mut self.log, *ip, &reason);
        self.close(index);
    }

    pub fn close(&mut self, index: usize) {
        let Some(Peer { stream, ip, .. }) = self.connections.remove(index) else { return };
        drop(stream);
        self.acceptor.release();
        self.log.write(
            self.close_level,
            format_args!("action: close_connection | result: success | ip: {ip}"),
        );
    }
}

fn log_failure(log: &mut Log, ip: IpAddr, error: &dyn Display) {
    log.error(format_args!("action: receive_message | result: fail | ip: {ip} | error: {error}"));
}
