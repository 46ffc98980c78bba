//! The server: workers, each a thread with an event loop, that share one listener.

mod accept;
pub mod connection;
mod connections;
mod event_loop;
mod service;
mod shutdown;
mod token;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use crate::config::ServerConfig;
use crate::log::Log;
use crate::sys::limits;
use crate::sys::signal::StopSignal;
use accept::OpenConnections;
use event_loop::EventLoop;
use shutdown::Shutdown;

/// File descriptors that are no connections: stdio, the listener, an epoll instance for each worker, and what the
/// process was started with.
const OTHER_DESCRIPTORS: u64 = 32;

/// Serves on `listener`, which must not block, until `stop` is readable and everything is closed, with as many workers
/// as `config` says.
pub fn serve(listener: TcpListener, stop: &StopSignal, config: &ServerConfig) -> io::Result<()> {
    let descriptors = limits::raise_descriptor_limit();
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS + config.workers as u64).max(1);
    let open = OpenConnections::new(config.max_connections.min(most as usize));
    let shutdown = Shutdown::new(config.drain_timeout);
    let listener = Arc::new(listener);
    let mut workers = Vec::new();
    for _ in 0..config.workers {
        let listener = Arc::clone(&listener);
        workers.push(EventLoop::new(config, listener, &open, stop, &shutdown)?);
    }
    // The workers have it now, and the last of them closes it.
    drop(listener);
    run(workers, &mut Log::new(config.logging_level.level))
}

/// Runs each worker in a thread of its own. If the system allows no more threads, the others go on without it.
fn run(workers: Vec<EventLoop>, log: &mut Log) -> io::Result<()> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for worker in workers {
            match thread::Builder::new().spawn_scoped(scope, || worker.run()) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                Err(error) => log
                    .warning(format_args!("action: start_worker | result: fail | error: {error}")),
            }
        }
        log.flush();
        let mut result = Ok(());
        for thread in threads {
            result = result.and(thread.join().expect("no panic"));
            log.info(format_args!("action: close_worker | result: success"));
        }
        log.flush();
        result
    })
}
