//! The client: `client [--config PATH]`.

use std::process::ExitCode;
use std::time::Instant;

use tp0::cli::{self, Failure, Request};
use tp0::client::{Client, Error};
use tp0::config::duration::GoDuration;
use tp0::config::{self, ClientConfig};
use tp0::escape::{Escaped, Message};
use tp0::log::Log;
use tp0::sys::signal::StopSignal;

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
    let mut log = Log::new(config.log_level.level);
    log_start(&mut log, &config);
    let mut client = Client::new(&config, stop, log);
    let result = send_messages(&mut client, &config);
    close(client, &config.id, result)
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

/// Sends each message, checks its echo, and pauses. It pauses after the last message too, as the course's original
/// client does.
fn send_messages(client: &mut Client, config: &ClientConfig) -> Result<(), Error> {
    for number in 1..=config.loop_amount {
        let message = format!("[CLIENT {}] Message N°{number}\n", config.id);
        client.deliver(message.as_bytes())?;
        let id = Escaped(config.id.as_bytes());
        let message = Message(message.as_bytes());
        client.log.info(format_args!(
            "action: receive_message | result: success | client_id: {id} | msg: {message}"
        ));
        client.sleep_until(Instant::now() + config.loop_period)?;
    }
    Ok(())
}

/// Closes everything and logs how the work ended.
fn close(client: Client, id: &str, result: Result<(), Error>) -> Result<(), Failure> {
    let id = Escaped(id.as_bytes());
    let mut log = client.close();
    let result = match result {
        Ok(()) => {
            log.info(format_args!("action: loop_finished | result: success | client_id: {id}"));
            Ok(())
        }
        Err(Error::Stopped) => {
            log.info(format_args!("action: shutdown | result: success"));
            Ok(())
        }
        Err(Error::Retryable(error) | Error::Unresolved(error) | Error::Fatal(error)) => {
            log.error(format_args!(
                "action: receive_message | result: fail | client_id: {id} | error: {error}"
            ));
            Err(Failure::logged())
        }
    };
    log.flush();
    result
}
