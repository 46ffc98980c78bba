//! What std's `TcpListener` lacks: a backlog of one's own, and an end to new handshakes before it closes.
#![allow(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::errno::check;
use super::option;

/// Listens on `address` without blocking. std's `bind` sets SO_REUSEADDR and calls listen(2) with a backlog
/// of its own choice; the second call changes it to `backlog`.
pub fn listen(address: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog.into()) })?;
    Ok(listener)
}

/// Drops SYNs from now on, without an answer. A handshake that has begun still becomes a connection, if the accept
/// queue has room for it and its ACK comes before the listener closes. So the close resets nobody who has connected
/// after the last accept.
pub fn drop_handshakes(listener: &TcpListener) -> io::Result<()> {
    // Make the accept queue as long as net.core.somaxconn permits, so that it has room for the handshakes under way.
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), u16::MAX.into()) })?;
    // A hardened kernel permits a filter only with CAP_NET_ADMIN, which the containers do not have.
    filter_handshakes(listener).or_else(|_| set_least_ttl(listener, 255))
}

/// Lets a connection receive packets that its listener would drop: it has the listener's least TTL.
pub fn accept_packets(stream: &TcpStream) -> io::Result<()> {
    set_least_ttl(stream, 0)
}

/// A classic BPF program (socket(7), SO_ATTACH_FILTER) drops each segment that has SYN without ACK
/// among its flags, which are the byte at offset 13 of the TCP header (RFC 9293, section 3.1).
fn filter_handshakes(listener: &TcpListener) -> io::Result<()> {
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 13, 0, 0),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, SYN | ACK, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, SYN, 0, 1),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        instruction(libc::BPF_RET | libc::BPF_K, u32::MAX, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let (pointer, length) = ((&raw const filter).cast(), size_of_val(&filter) as libc::socklen_t);
    let (fd, level, name) = (listener.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    // SAFETY: the pointer and the length describe a live sock_fprog, whose program is live too.
    check(unsafe { libc::setsockopt(fd, level, name, pointer, length) })?;
    Ok(())
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Drops packets with a lower TTL, which is the hop limit of IPv6 (IP_MINTTL in ip(7), RFC 5082). No peer sends 255, so
/// a listener takes no SYN then. The ACK of a handshake that has begun meets no listener, and passes.
fn set_least_ttl(socket: &impl AsRawFd, ttl: libc::c_int) -> io::Result<()> {
    // An IPv4 socket has no option of IPv6.
    let _ = option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, ttl);
    option::set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, ttl)
}
