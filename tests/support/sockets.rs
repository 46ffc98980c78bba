//! Sockets and pipes that std cannot make.

use std::ffi::CString;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{DEADLINE, check};

/// Reads until the peer ends its side. A reset is a failure.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.take(1 << 25).read_to_end(&mut bytes).expect("an end of stream, no reset");
    bytes
}

pub fn half_close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("a half-close");
}

/// Closes with a reset instead of an end of stream.
pub fn reset(stream: TcpStream) {
    set_option(&stream, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
}

/// A connection to a loopback address that takes only a few kilobytes until somebody reads it.
pub fn connect_with_small_window(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::from(new_socket());
    set_option(&stream, libc::SO_RCVBUF, &4096);
    let (address, length) = loopback(address.port());
    // SAFETY: the pointer and the length describe a live sockaddr_in.
    let result = unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), length) };
    check(result).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A socket with a free port of 127.0.0.1, which refuses connections. Others may bind to the port as well.
pub fn bind_without_listening() -> TcpListener {
    let socket = TcpListener::from(new_socket());
    set_option(&socket, libc::SO_REUSEADDR, &1);
    let (address, length) = loopback(0);
    // SAFETY: the pointer and the length describe a live sockaddr_in.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).unwrap();
    socket
}

/// A TCP socket that is neither bound nor connected.
fn new_socket() -> OwnedFd {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    check(fd).unwrap();
    // SAFETY: socket(2) has just opened it, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn loopback(port: u16) -> (libc::sockaddr_in, libc::socklen_t) {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    (address, size_of_val(&address) as libc::socklen_t)
}

/// Drops all packets for `socket` from now on.
pub fn drop_packets(socket: &impl AsRawFd) {
    let mut nothing = libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: 0 };
    let filter = libc::sock_fprog { len: 1, filter: &raw mut nothing };
    set_option(socket, libc::SO_ATTACH_FILTER, &filter);
}

/// A socket option of level SOL_SOCKET: socket(7).
pub fn set_option<T>(socket: &impl AsRawFd, name: i32, value: &T) {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the pointer and the length describe a live T; the callers pass the T that the option needs.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, pointer, length) };
    check(result).unwrap();
}

/// Makes a socket hold as few unread bytes as possible.
pub fn shrink_send_buffer(stream: &UnixStream) {
    set_option(stream, libc::SO_SNDBUF, &1i32);
}

pub fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without a zero");
    // SAFETY: the pointer is to a live string that ends in zero.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).unwrap();
}
