//! The server: workers, each an event loop, that share one listener.

mod accept;
pub mod connection;
mod deadlines;
mod event_loop;
mod shutdown;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use crate::config::ServerConfig;
use crate::log::Log;
use crate::sys::limits;
use crate::sys::signal::StopSignal;
use event_loop::EventLoop;
use shutdown::Shutdown;

/// File descriptors that are no connections: stdio, the listener, an epoll instance for each worker,
/// and what the process was started with.
const OTHER_DESCRIPTORS: u64 = 32;

/// Serves on `listener`, which must not block, until `stop` is readable and everything is closed, with
/// as many workers as `config` says. The first one runs on this thread.
pub fn serve(listener: TcpListener, stop: &StopSignal, config: &ServerConfig) -> io::Result<()> {
    let descriptors = limits::raise_descriptor_limit();
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS + config.workers as u64).max(1);
    let accepting = accept::Shared::new(config.max_connections.min(most as usize));
    let shutdown = Shutdown::new(config.drain_timeout);
    let listener = Arc::new(listener);
    let workers: Vec<_> = (0..config.workers)
        .map(|_| EventLoop::new(config, Arc::clone(&listener), &accepting, stop, &shutdown))
        .collect::<io::Result<_>>()?;
    drop(listener);
    thread::scope(|scope| {
        let mut workers = workers.into_iter();
        let first = workers.next();
        let mut threads = Vec::new();
        for worker in workers {
            match thread::Builder::new().spawn_scoped(scope, || worker.run()) {
                Ok(thread) => threads.push(thread),
                // The system allows no more threads. The other workers go on without this one.
                Err(error) => {
                    let mut log = Log::new(config.logging_level.level);
                    log.warning(format_args!(
                        "action: start_worker | result: fail | error: {error}"
                    ));
                    log.flush();
                }
            }
        }
        let result = first.map_or(Ok(()), EventLoop::run);
        threads.into_iter().fold(result, |all, thread| all.and(thread.join().expect("no panic")))
    })
}
