//! A running server, and the actions of its peers.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use super::program::{Program, SERVER, command};
use super::sockets::read_to_end;
use super::{DEADLINE, field, until};

/// A server on a free loopback port.
pub struct Server {
    pub program: Program,
    pub address: SocketAddr,
}

impl Server {
    /// A free port of loopback, and the other settings that have no default.
    const REQUIRED: [(&str, &str); 4] = [
        ("SERVER_PORT", "0"),
        ("SERVER_BIND", "127.0.0.1"),
        ("SERVER_LISTEN_BACKLOG", "4096"),
        ("LOGGING_LEVEL", "INFO"),
    ];

    /// Starts it with `environment` on top of the required settings, and waits until it listens.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::from(Program::spawn(&mut Self::command(environment)))
    }

    pub fn command(environment: &[(&str, &str)]) -> Command {
        let mut command = command(SERVER, &Self::REQUIRED);
        command.envs(environment.iter().copied());
        command
    }

    /// The command of a server that `script` starts as `"$0"`.
    pub fn by_shell(script: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = command("/bin/sh", &Self::REQUIRED);
        command.args(["-c", script, SERVER]).envs(environment.iter().copied());
        command
    }

    /// Starts a server that cannot say where it listens.
    pub fn mute(command: &mut Command) -> Self {
        let port = Reserved::new();
        let program = Program::spawn(command.env("SERVER_PORT", port.port()));
        until("it listens", || TcpStream::connect(port.address()).is_ok());
        Self { program, address: port.0 }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        stream
    }

    /// Sends `bytes` on a connection of its own and reads what comes back, to its end.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("bytes sent");
        read_to_end(&mut stream)
    }
}

impl From<Program> for Server {
    fn from(program: Program) -> Self {
        let line = program.wait_for("action: config");
        let port = field(&line, "port").parse().expect("a port");
        program.wait_for("action: accept_connections | result: in_progress");
        Self { program, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

/// A port of 127.0.0.1 that refuses connections until a server listens on it. The kernel gives it to nobody, because it
/// is below those of net.ipv4.ip_local_port_range.
pub struct Reserved(SocketAddr);

impl Reserved {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = std::process::id() + COUNT.fetch_add(1, Relaxed);
            let address = SocketAddr::from(([127, 0, 0, 1], 13_000 + (number % 19_000) as u16));
            if TcpListener::bind(address).is_ok() {
                return Self(address);
            }
        }
    }

    pub fn port(&self) -> String {
        self.0.port().to_string()
    }

    pub fn address(&self) -> String {
        self.0.to_string()
    }

    pub fn serve(&self) -> Server {
        Server::start(&[("SERVER_PORT", &self.port())])
    }
}

/// Plays a good client among bad ones.
pub fn assert_prompt(server: &Server) {
    let start = Instant::now();
    for number in 1..=10 {
        let message = format!("prompt {number}\n");
        assert_eq!(server.exchange(message.as_bytes()), message.as_bytes());
        assert!(start.elapsed() < DEADLINE, "{number} messages take {:?}", start.elapsed());
    }
}

/// Sends the `rest` of a message, and expects the echo of all of it.
pub fn complete(mut peer: TcpStream, rest: &[u8], echo: &[u8]) {
    peer.write_all(rest).expect("bytes sent");
    assert_eq!(read_to_end(&mut peer), echo);
}
