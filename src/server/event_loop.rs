//! The event loop of a worker: wait, events, deadlines, shutdown, log.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accept::OpenConnections;
use super::service::Service;
use super::shutdown::Shutdown;
use super::token::Token;
use crate::config::ServerConfig;
use crate::sys::epoll::Events;
use crate::sys::poll::Interest;
use crate::sys::signal::StopSignal;

/// Events of one loop iteration.
const EVENTS: usize = 256;

/// One worker, with an epoll instance and connections of its own.
pub struct EventLoop<'a> {
    service: Service<'a>,
    shutdown: &'a Shutdown,
}

impl<'a> EventLoop<'a> {
    pub fn new(
        config: &'a ServerConfig,
        listener: Arc<TcpListener>,
        open: &'a OpenConnections,
        stop: &StopSignal,
        shutdown: &'a Shutdown,
    ) -> io::Result<Self> {
        let service = Service::new(config, listener, open)?;
        service.epoll.add(stop, Token::Signal.into(), Interest::Readable)?;
        Ok(Self { service, shutdown })
    }

    /// Serves until the stop signal has come and everything is closed.
    pub fn run(self) -> io::Result<()> {
        let Self { mut service, shutdown } = self;
        let mut events = Events::with_capacity(EVENTS);
        while !service.is_over() {
            service.epoll.wait(&mut events, timeout(&service, shutdown))?;
            service.now = Instant::now();
            shutdown.begin_if_signalled(&mut service);
            for token in events.tokens() {
                handle(&mut service, token.into());
            }
            service.expire();
            shutdown.proceed(&mut service);
            service.acceptor.watch(&service.epoll, service.now);
            service.log.flush();
        }
        drop(service.epoll);
        service.log.info(format_args!("action: close_epoll | result: success"));
        service.log.flush();
        Ok(())
    }
}

/// The time until the next deadline, if there is one.
fn timeout(service: &Service, shutdown: &Shutdown) -> Option<Duration> {
    let deadlines = [
        service.connections.first().map(|(deadline, _)| deadline),
        service.acceptor.next_deadline(),
        shutdown.next_deadline(service.now),
    ];
    let next = deadlines.into_iter().flatten().min()?;
    Some(next.saturating_duration_since(Instant::now()))
}

fn handle(service: &mut Service, token: Token) {
    match token {
        // The event only wakes the loop.
        Token::Signal => {}
        Token::Listener => {
            service.accept_some();
        }
        // The event may belong to a connection that this iteration has closed, and another one may have its index now.
        // That is harmless: a read that finds nothing changes nothing.
        Token::Connection(index) => service.advance(index),
    }
}
