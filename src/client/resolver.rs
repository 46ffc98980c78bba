//! Name resolution that can be waited for together with a signal and a deadline.
//!
//! getaddrinfo(3) blocks for as long as it likes, so it runs in a thread of its own, which is left
//! behind if the end comes first. A byte on a socket pair is a question one way, and wakes the waiting
//! side for the answer the other way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

/// The addresses of a name, or why there are none.
pub type Answer = io::Result<Vec<SocketAddr>>;

/// Looks one name up, as often as it is asked to. Its descriptor is readable when an answer is there.
#[derive(Debug)]
pub struct Resolver {
    stream: UnixStream,
    answer: Arc<Mutex<Option<Answer>>>,
    pending: bool,
}

impl Resolver {
    pub fn start(host: String, port: u16) -> io::Result<Self> {
        let answer = Arc::new(Mutex::new(None));
        let (stream, mut asker) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let slot = Arc::clone(&answer);
        thread::Builder::new().spawn(move || {
            // The stream ends when the asking side does.
            while asker.read_exact(&mut [0]).is_ok() {
                let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
                *slot.lock().expect("nobody panics with it") = Some(found);
                let _ = asker.write_all(&[0]);
            }
        })?;
        Ok(Self { stream, answer, pending: false })
    }

    /// Asks for the name's addresses of this moment. A question that is still open is not repeated.
    pub fn ask(&mut self) -> io::Result<()> {
        if !self.pending {
            self.stream.write_all(&[0])?;
            self.pending = true;
        }
        Ok(())
    }

    /// The answer, once it has come.
    pub fn answer(&mut self) -> Option<Answer> {
        match self.stream.read_exact(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(error)),
            Ok(()) => self.pending = false,
        }
        let answer = self.answer.lock().expect("nobody panics with it").take()?;
        let some = |addresses: &Vec<_>| !addresses.is_empty();
        let none = || io::Error::new(ErrorKind::NotFound, "the name has no address");
        Some(answer.and_then(|addresses| Some(addresses).filter(some).ok_or_else(none)))
    }
}

impl AsFd for Resolver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
