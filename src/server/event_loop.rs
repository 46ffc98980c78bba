//! The event loop of a worker: wait, events, deadlines, shutdown, log.

use std::io;
use std::time::{Duration, Instant};

use super::accept::LISTENER;
use super::service::{STOP_SIGNAL, Service};
use super::shutdown::Shutdown;
use crate::sys::epoll::Events;

/// The most events of one loop iteration.
const EVENTS: usize = 256;

/// Serves until the stop signal has come and everything is closed.
pub fn run(mut service: Service, shutdown: &Shutdown) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS);
    while !service.is_over() {
        service.epoll.wait(&mut events, timeout(&service, shutdown))?;
        service.now = Instant::now();
        let phase = shutdown.phase(&mut service);
        for token in events.tokens() {
            handle(&mut service, token);
        }
        service.expire();
        shutdown.proceed(phase, &mut service);
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
        service.connections.first_due().map(|(due, _)| due),
        service.acceptor.paused_until,
        shutdown.next_deadline(service.now),
    ];
    let next = deadlines.into_iter().flatten().min()?;
    Some(next.saturating_duration_since(Instant::now()))
}

fn handle(service: &mut Service, token: u64) {
    match token {
        // The event only wakes the loop.
        STOP_SIGNAL => {}
        LISTENER => _ = service.accept_some(),
        // If this iteration has closed the connection of the event, another one may have its index now. That is
        // harmless, because `advance` only tries what a connection could do at any time.
        index => service.advance(index as usize),
    }
}
