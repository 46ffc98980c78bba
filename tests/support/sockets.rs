//! Sockets and pipes as std does not make them.

use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::process::Command;

use super::check;

/// Reads until the peer ends its side. A reset is a failure.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.take(1 << 25).read_to_end(&mut bytes).expect("an end of stream, no reset");
    bytes
}

/// Closes with a reset instead of an end of stream.
pub fn reset(stream: TcpStream) {
    set_option(&stream, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
}

/// Connects to a port of 127.0.0.1 with packets of the greatest TTL, which std can set only after it has connected.
pub fn connect_with_greatest_ttl(port: u16) -> io::Result<TcpStream> {
    // SAFETY: takes no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: socket(2) has just opened it, and nobody else owns it.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    stream.set_ttl(255)?;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer and the length describe a live sockaddr_in.
    check(unsafe { libc::connect(fd, (&raw const address).cast(), length) })?;
    Ok(stream)
}

/// Drops all packets for `socket` from now on.
pub fn drop_packets(socket: &impl AsRawFd) {
    let mut nothing = libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: 0 };
    let filter = libc::sock_fprog { len: 1, filter: &raw mut nothing };
    set_option(socket, libc::SO_ATTACH_FILTER, &filter);
}

/// Sets a socket option of level SOL_SOCKET: socket(7).
pub fn set_option<T>(socket: &impl AsRawFd, name: i32, value: &T) {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the pointer and the length describe a live T; the callers pass the T that the option needs.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, pointer, length) };
    check(result).unwrap();
}

pub fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
