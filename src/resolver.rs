//! Name resolution that can be waited for together with a signal and a deadline.
//!
//! getaddrinfo(3) blocks for as long as it likes, so it runs in a thread of its own, which is left
//! behind if the end comes first; the answer wakes the waiting side by a byte on a socket pair.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// The addresses of a name, or why there are none.
pub type Answer = io::Result<Vec<SocketAddr>>;

/// Looks one name up, as often as it is asked to. Its descriptor is readable when an answer is there.
#[derive(Debug)]
pub struct Resolver {
    questions: Sender<()>,
    answers: Receiver<Answer>,
    wake: UnixStream,
    pending: bool,
}

impl Resolver {
    pub fn start(host: String, port: u16) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        let (wake, mut waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                let answer = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
                // Both fail only when the other side has ended, and then so does this one.
                if answered.send(answer).is_err() || waker.write_all(&[0]).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { questions, answers, wake, pending: false })
    }

    /// Asks for the name's addresses of this moment. A question that is still open is not repeated.
    pub fn ask(&mut self) {
        if !self.pending {
            self.pending = self.questions.send(()).is_ok();
        }
    }

    /// The answer, if it has come; `WouldBlock` while it has not.
    pub fn answer(&mut self) -> Answer {
        self.wake.read_exact(&mut [0])?;
        self.pending = false;
        let addresses = self.answers.recv().map_err(|_| ErrorKind::BrokenPipe)??;
        if addresses.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

impl AsFd for Resolver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
