//! A name look-up whose wait includes the stop signal and a deadline.
//!
//! getaddrinfo(3) may block for longer than a message has time, and nobody can cancel it. So it runs in a thread of its
//! own, which goes on alone if the wait ends first.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

/// One look-up.
#[derive(Debug)]
pub struct Lookup {
    /// Readable when the answer is there.
    pub done: UnixStream,
    thread: JoinHandle<io::Result<Vec<SocketAddr>>>,
}

impl Lookup {
    pub fn start(host: String, port: u16) -> io::Result<Self> {
        let (done, thread_end) = UnixStream::pair()?;
        let thread = thread::Builder::new().spawn(move || {
            // The thread drops this at its end, and the end of stream wakes the side that waits.
            let _thread_end = thread_end;
            Ok((host.as_str(), port).to_socket_addrs()?.collect())
        })?;
        Ok(Self { done, thread })
    }

    /// Waits for the answer: the addresses of the name, or why there are none.
    pub fn answer(self) -> io::Result<Vec<SocketAddr>> {
        self.thread.join().expect("no panic")
    }
}
