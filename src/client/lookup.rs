//! A name look-up that can be waited for together with a signal and a deadline.
//!
//! getaddrinfo(3) may block for longer than a message has time, and cannot be cancelled. So it runs in a
//! thread of its own, which goes on alone when the wait has ended first.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// The addresses of a name, at least one, or why there are none.
pub type Answer = io::Result<Vec<SocketAddr>>;

/// One look-up. Its file descriptor is readable when the answer is there.
#[derive(Debug)]
pub struct Lookup {
    done: UnixStream,
    answer: Receiver<Answer>,
}

impl Lookup {
    pub fn start(host: String, port: u16) -> io::Result<Self> {
        let (done, thread_end) = UnixStream::pair()?;
        let (sender, answer) = channel();
        thread::Builder::new().spawn(move || {
            // The answer first: the end of the stream, which wakes the waiting side, comes after it.
            let _ = sender.send(look_up(&host, port));
            drop(thread_end);
        })?;
        Ok(Self { done, answer })
    }

    /// Waits for the answer.
    pub fn answer(self) -> Answer {
        self.answer.recv().unwrap_or_else(|_| Err(ErrorKind::NotFound.into()))
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

fn look_up(host: &str, port: u16) -> Answer {
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    match addresses.is_empty() {
        true => Err(io::Error::new(ErrorKind::NotFound, "the name has no address")),
        false => Ok(addresses),
    }
}
