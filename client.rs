//! The client: `client [--config PATH]`.

use std::process::ExitCode;
use std::time::Instant;

use tp0::cli::{self, Failure, Request};
use tp0::client::delivery::{Delivery, Error};
use tp0::config::duration::GoDuration;
use tp0::config::{self, ClientConfig};
use tp0::log::{Escaped, Log};
use tp0::sys::signal::StopSignal;
use tp0::sys::stdout;

const ABOUT: &str = "\
usage: client [--config PATH | --help | --version]

Sends numbered messages, one connection each, and checks their echoes. Settings come from the
environment, then from PATH (./config.yaml), then from the defaults in brackets:";

fn main() -> ExitCode {
    cli::exit(run())
}

fn run() -> Result<(), Failure> {
    let stop = StopSignal::install().map_err(|e| Failure::work(format!("signals: {e}")))?;
    let config = match cli::parse(std::env::args_os().skip(1), "./config.yaml")? {
        Request::Help => return cli::print(&cli::help(ABOUT, ClientConfig::SETTINGS)),
        Request::Version => return cli::print(concat!("client ", env!("CARGO_PKG_VERSION"))),
        Request::Run(config) => config,
    };
    let config = ClientConfig::load(&config, &config::environment).map_err(Failure::usage)?;
    stdout::make_nonblocking();
    let mut log = Log::new(config.log_level.level);
    log_start(&mut log, &config);
    let mut delivery = Delivery::new(&config, stop, log);
    let end = send_messages(&mut delivery, &config);
    close(delivery, &config.id, end)
}

fn log_start(log: &mut Log, config: &ClientConfig) {
    let id = Escaped(config.id.as_bytes());
    let address = Escaped(config.server_address.written.as_bytes());
    let (amount, period) = (config.loop_amount, GoDuration(config.loop_period));
    let level = &config.log_level.written;
    log.info(format_args!(
        "action: config | result: success | client_id: {id} | server_address: {address} | loop_amount: {amount} | loop_period: {period} | log_level: {level}"
    ));
    for key in &config.unknown {
        let key = Escaped(key.as_bytes());
        log.debug(format_args!("action: ignore_key | result: success | key: {key}"));
    }
    log.flush();
}

/// Sends a message, checks the echo, pauses. It pauses after the last message too, as the course's original
/// client does.
fn send_messages(delivery: &mut Delivery, config: &ClientConfig) -> Result<(), Error> {
    let id = &config.id;
    for number in 1..=config.loop_amount {
        let message = format!("[CLIENT {id}] Message N°{number}\n");
        delivery.deliver(message.as_bytes())?;
        let (id, message) = (Escaped(id.as_bytes()), Escaped(message.trim_end().as_bytes()));
        delivery.log.info(format_args!(
            "action: receive_message | result: success | client_id: {id} | msg: {message}"
        ));
        delivery.sleep_until(Instant::now() + config.loop_period)?;
    }
    Ok(())
}

/// Closes everything and logs how it ended.
fn close(delivery: Delivery, id: &str, end: Result<(), Error>) -> Result<(), Failure> {
    let id = Escaped(id.as_bytes());
    let mut log = delivery.close(matches!(end, Err(Error::Stopped)));
    let mut result = Ok(());
    match end {
        Ok(()) => {
            log.info(format_args!("action: loop_finished | result: success | client_id: {id}"));
        }
        Err(Error::Stopped) => log.info(format_args!("action: shutdown | result: success")),
        Err(Error::Retryable(error) | Error::Fatal(error)) => {
            result = Err(Failure::logged());
            log.error(format_args!(
                "action: receive_message | result: fail | client_id: {id} | error: {error}"
            ));
        }
    }
    log.flush();
    result
}
