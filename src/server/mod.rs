//! The server: workers, each an event loop, that share one listener.

mod accept;
pub mod connection;
mod drain;
mod event_loop;
mod shortage;
mod table;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::config::ServerConfig;
use crate::log::Log;
use crate::sys::signal::Shutdown;
use crate::sys::socket;
use event_loop::Worker;
use shortage::Shortage;

/// What all workers look at.
pub struct Shared<'a> {
    pub config: &'a ServerConfig,
    pub shutdown: &'a Shutdown,
    pub shortage: Shortage,
    end: OnceLock<bool>,
}

impl Shared<'_> {
    /// Begins the end, once for all workers and before any of them closes anything: nobody new can
    /// connect, and the log says why. Answers whether the queue has ever overflowed.
    pub fn begin_end(&self, listener: &TcpListener, log: &mut Log) -> bool {
        *self.end.get_or_init(|| {
            // Asked first, for what the filter drops counts too.
            let has_overflowed = socket::has_dropped(listener);
            // Without the filter a connection made in the last instant may be reset; nothing else.
            let _ = socket::refuse_handshakes(listener);
            if let Some(signal) = self.shutdown.signal() {
                log.info(format_args!("action: shutdown | result: in_progress | signal: {signal}"));
            }
            log.flush();
            has_overflowed
        })
    }
}

/// Serves on `listener`, which must not block, until `shutdown` is readable and everything is
/// closed, with as many workers as `config` says. The first one runs on this thread.
pub fn serve(listener: TcpListener, shutdown: &Shutdown, config: &ServerConfig) -> io::Result<()> {
    let listener = Arc::new(listener);
    let shared = Shared { config, shutdown, shortage: Shortage::new(), end: OnceLock::new() };
    let new_worker =
        || Worker::new(&shared, Arc::clone(&listener), Log::new(config.logging_level.level));
    let mut first = new_worker()?;
    let others = (1..config.workers).map(|_| new_worker()).collect::<io::Result<Vec<_>>>()?;
    drop(listener);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for worker in others {
            match thread::Builder::new().spawn_scoped(scope, || worker.run()) {
                Ok(thread) => threads.push(thread),
                // A limit on tasks: the others do its work.
                Err(error) => first
                    .log
                    .warning(format_args!("action: start_worker | result: fail | error: {error}")),
            }
        }
        first.log.flush();
        let end = first.run();
        threads.into_iter().fold(end, |end, thread| end.and(thread.join().expect("no panic")))
    })
}
