//! The event loop of a worker: wait, events, deadlines, shutdown, log.

use std::io;
use std::time::{Duration, Instant};

use super::service::Service;
use super::shutdown::Shutdown;
use super::token::Token;
use crate::sys::epoll::Events;

/// Events of one loop iteration.
const EVENTS: usize = 256;

/// Serves until the stop signal has come and everything is closed.
pub fn run(mut service: Service, shutdown: &Shutdown) -> io::Result<()> {
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

/// The time until the next deadline, if there is one.
fn timeout(service: &Service, shutdown: &Shutdown) -> Option<Duration> {
    let deadlines = [
        service.connections.first().map(|(deadline, _)| deadline),
        service.acceptor.paused_until,
        shutdown.next_deadline(service.now),
    ];
    let next = deadlines.into_iter().flatten().min()?;
    Some(next.saturating_duration_since(Instant::now()))
}

fn handle(service: &mut Service, token: Token) {
    match token {
        // The event only wakes the loop.
        Token::Signal => {}
        Token::Listener => _ = service.accept_some(),
        // The event may belong to a connection that this iteration has closed, and another one may have its index now.
        // That is harmless: a read that finds nothing changes nothing.
        Token::Connection(index) => service.advance(index),
    }
}
