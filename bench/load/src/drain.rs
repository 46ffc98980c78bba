//! A queue that is full before the server begins: how fast it is served is up to the server alone.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::socket;

/// What is slower than this counts as broken.
const LIMIT: Duration = Duration::from_secs(10);

/// Fills the queue of the stopped server `pid`, each connection with its message on it, lets the server
/// go on, and prints how many a second it has served.
pub fn drain(address: SocketAddr, connections: u64, pid: i32) -> io::Result<()> {
    let pid = Pid::from_raw(pid);
    kill(pid, Signal::SIGSTOP)?;
    let queue = (1..=connections).map(|number| enter(address, number));
    let queue = queue.collect::<io::Result<Vec<_>>>();
    let start = Instant::now();
    kill(pid, Signal::SIGCONT)?;
    let mut end = start;
    // From its end, for to wait for each would cost a processor that the server may want.
    for (number, mut stream) in (1..).zip(queue?).collect::<Vec<_>>().into_iter().rev() {
        let mut echo = [0; 64];
        let count = match stream.read(&mut echo) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stream.set_nonblocking(false)?;
                let count = stream.read(&mut echo)?;
                end = Instant::now();
                count
            }
            result => result?,
        };
        if &echo[..count] != message(number).as_bytes() {
            return Err(io::Error::other("the answer differs from the message"));
        }
    }
    if end == start {
        return Err(io::Error::other("served before the first look: too few to tell how fast"));
    }
    println!("{:.1}", connections as f64 / (end - start).as_secs_f64());
    Ok(())
}

fn message(number: u64) -> String {
    format!("[CLIENT 1] Message N°{number}\n")
}

/// On loopback the handshake is over when connect(2) returns, if the queue has room for one more.
fn enter(address: SocketAddr, number: u64) -> io::Result<TcpStream> {
    let mut stream = socket::connect(address, number)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(message(number).as_bytes())?;
    Ok(stream)
}
