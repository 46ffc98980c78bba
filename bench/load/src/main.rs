//! Load for an echo server on loopback, and the two measurements that need a process of their own.

mod drain;
mod exchange;
mod hold;
mod run;
mod socket;
mod spawn;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One connection per message, closed loop: a connection that is done is replaced by the next.
    Run(run::Options),
    /// Opens connections and sends nothing on them, says so, and holds them until stdin ends.
    Hold {
        #[arg(value_parser = socket::loopback)]
        address: SocketAddr,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
    /// Stops a server, fills its queue with connections and their messages, lets it go on, and prints how
    /// many a second it has served.
    Drain {
        #[arg(value_parser = socket::loopback)]
        address: SocketAddr,
        /// How many: no more than its backlog
        #[arg(long)]
        connections: u64,
        /// The server
        #[arg(long, value_parser = clap::value_parser!(i32).range(2..))]
        pid: i32,
    },
    /// Microseconds from starting a server to the first connection that it takes; then kills it.
    Ready {
        /// Processor for the server
        #[arg(long)]
        cpu: usize,
        #[arg(value_parser = socket::loopback)]
        address: SocketAddr,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Microseconds from starting a program to its end, its output dropped.
    Time {
        /// Processor for the program
        #[arg(long)]
        cpu: usize,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Hold { address, connections } => hold::hold(address, connections),
        Command::Drain { address, connections, pid } => drain::drain(address, connections, pid),
        Command::Ready { cpu, address, command } => spawn::ready(cpu, address, &command),
        Command::Time { cpu, command } => spawn::time(cpu, &command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
