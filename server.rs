//! The echo server: `server [--config PATH]`.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use tp0::cli::{self, Failure, Request};
use tp0::config::{self, ServerConfig};
use tp0::escape::Escaped;
use tp0::log::Log;
use tp0::server;
use tp0::sys::listener;
use tp0::sys::signal::{self, StopSignal};

const ABOUT: &str = "\
usage: server [--config PATH | --help | --version]

Echoes one message per connection. Settings come from the environment, then from PATH
(./config.ini), then from the defaults in brackets:";

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<(), Failure> {
    let stop = StopSignal::install().map_err(|e| Failure::work(format!("signals: {e}")))?;
    let config = match cli::parse(std::env::args_os().skip(1), "./config.ini")? {
        Request::Help => return cli::print(&cli::help(ABOUT, ServerConfig::SETTINGS)),
        Request::Version => return cli::print(concat!("server ", env!("CARGO_PKG_VERSION"))),
        Request::Run(config) => config,
    };
    let config = ServerConfig::load(&config, &config::environment).map_err(Failure::usage)?;
    signal::set_shutdown_time(config.drain_timeout);
    let mut log = Log::new(config.logging_level.level);
    let listener = listen(&config)?;
    log_start(&mut log, &config, &listener);
    server::serve(listener, &stop, &config).map_err(|e| Failure::work(format!("epoll: {e}")))?;
    drop(stop);
    log.info(format_args!("action: close_eventfd | result: success"));
    log.info(format_args!("action: shutdown | result: success"));
    log.flush();
    Ok(())
}

fn listen(config: &ServerConfig) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(config.bind, config.port);
    listener::listen(address, config.listen_backlog)
        .map_err(|error| Failure::work(format!("cannot listen on {address}: {error}")))
}

fn log_start(log: &mut Log, config: &ServerConfig, listener: &TcpListener) {
    let port = listener.local_addr().map_or(config.port, |address| address.port());
    let (backlog, level) = (config.listen_backlog, &config.logging_level.written);
    log.info(format_args!(
        "action: config | result: success | port: {port} | listen_backlog: {backlog} | logging_level: {level}"
    ));
    for key in &config.unknown {
        let key = Escaped(key.as_bytes());
        log.debug(format_args!("action: ignore_key | result: success | key: {key}"));
    }
    log.info(format_args!("action: accept_connections | result: in_progress"));
    log.flush();
}
