//! The server: workers, each an event loop on a thread, that share one listener.

mod accept;
pub mod connection;
mod connections;
mod event_loop;
mod service;
mod shutdown;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use crate::config::ServerConfig;
use crate::log::Log;
use crate::sys::limits;
use crate::sys::signal::StopSignal;
use accept::OpenConnections;
use service::Service;
use shutdown::Shutdown;

/// File descriptors that are not connections: stdio, the listener, the eventfd, and those that the process inherited.
/// Each worker's epoll instance is one more.
const OTHER_DESCRIPTORS: u64 = 32;

/// Serves on `listener`, which must not block, until a stop signal has come and everything is closed, with as many
/// workers as `config` says.
pub fn serve(listener: TcpListener, stop: &StopSignal, config: &ServerConfig) -> io::Result<()> {
    let descriptors = limits::raise_descriptor_limit();
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS + config.workers as u64).max(1);
    let open = OpenConnections::new(config.max_connections.min(most as usize));
    let shutdown = Shutdown::new(config.drain_timeout);
    let listener = Arc::new(listener);
    let mut services = Vec::new();
    for _ in 0..config.workers {
        services.push(Service::new(config, Arc::clone(&listener), &open, stop)?);
    }
    // Each worker has a reference now, and the last worker closes the listener.
    drop(listener);
    run(services, &shutdown, &mut Log::new(config.logging_level.level))
}

/// Runs the first worker on this thread, and each other one in a thread of its own, because system calls on file
/// descriptors are cheaper in a process with one thread.
fn run(services: Vec<Service>, shutdown: &Shutdown, log: &mut Log) -> io::Result<()> {
    let mut services = services.into_iter();
    let first = services.next();
    let result = thread::scope(|scope| {
        let mut workers = Vec::new();
        for service in services {
            let run = || event_loop::run(service, shutdown);
            match thread::Builder::new().spawn_scoped(scope, run) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    // The workers that have started do the work.
                    log.warning(format_args!(
                        "action: start_worker | result: fail | error: {error}"
                    ));
                    break;
                }
            }
        }
        log.flush();
        let mut result = first.map_or(Ok(()), |service| event_loop::run(service, shutdown));
        log.info(format_args!("action: close_worker | result: success"));
        for worker in workers {
            result = result.and(worker.join().expect("no panic"));
            log.info(format_args!("action: close_worker | result: success"));
        }
        result
    });
    log.flush();
    result
}
