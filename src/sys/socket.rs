//! The socket calls that std lacks: a listener with a backlog of one's own, accept and connect that
//! never block, the last bytes and the end of a stream in one packet, a listener that takes no new
//! connections, and the detection of a dead path.
#![allow(unsafe_code)]

use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// Listens on `address` without blocking, with SO_REUSEADDR. `backlog` is really given to listen(2):
/// std asks for one of its own choice, and a second call changes it.
pub fn listen(address: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog.into()) })?;
    Ok(listener)
}

/// Accepts a connection that does not block, in the one system call that std makes two of.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let mut address = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (fd, pointer) = (listener.as_raw_fd(), address.as_mut_ptr().cast());
    // SAFETY: `pointer` and `length` describe a live sockaddr_storage.
    let fd = check(unsafe { libc::accept4(fd, pointer, &mut length, flags) })?;
    // SAFETY: all zeroes is a valid sockaddr_storage, and accept4 leaves it so or fills it.
    let address = unsafe { address.assume_init() };
    // SAFETY: accept4 has just opened the descriptor, and nobody else owns it.
    Ok((TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }), ip(&address)))
}

/// An IPv4 peer of an IPv6 listener is shown as the IPv4 address that it is.
fn ip(address: &libc::sockaddr_storage) -> IpAddr {
    let pointer = &raw const *address;
    if i32::from(address.ss_family) == libc::AF_INET6 {
        // SAFETY: the family says what the storage holds, and it is large and aligned enough for all.
        let address = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
        IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)).to_canonical()
    } else {
        // SAFETY: as above.
        let address = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
        IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
    }
}

/// A stream whose last, partial segment stays in the kernel until the half-close that must follow
/// (MSG_MORE, send(2)): the end of the echo and the end of the stream leave in one packet. On loopback
/// that is a fifth of all a connection costs.
pub struct Corked<'a>(pub &'a TcpStream);

impl Read for Corked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Corked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (fd, flags) = (self.0.as_raw_fd(), libc::MSG_MORE | libc::MSG_NOSIGNAL);
        // SAFETY: the pointer and the length are those of a live slice.
        let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to connect, without waiting: a write tells the outcome (`WouldBlock` until there is one).
/// Fails as socket(2) and connect(2) do, and with ECONNREFUSED where it would connect to itself.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointers.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: socket(2) has just opened it, and nobody else owns it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // The handshake's last packet waits for the message and leaves with it (TCP_QUICKACK, tcp(7)): one
    // packet less, and whoever accepts finds the message there. Where that cannot be, it is no loss.
    let _ = set_option(fd, libc::IPPROTO_TCP, libc::TCP_QUICKACK, &0);
    match check(start_connect(fd, address)) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    // Where nobody listens on a local port, the kernel may pick just that one for our side too, and
    // then connects the socket to itself (RFC 9293, section 3.5): a perfect echo, and no server.
    let near = stream.local_addr()?;
    let same_host = near.ip() == address.ip() || address.ip().is_unspecified();
    if same_host && near.port() == address.port() {
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(stream)
}

fn start_connect(fd: RawFd, address: SocketAddr) -> libc::c_int {
    match address {
        SocketAddr::V4(address) => {
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                sin_zero: [0; 8],
            };
            let length = size_of_val(&address) as libc::socklen_t;
            // SAFETY: the pointer and the length describe a live sockaddr_in.
            unsafe { libc::connect(fd, (&raw const address).cast(), length) }
        }
        SocketAddr::V6(address) => {
            let address = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            let length = size_of_val(&address) as libc::socklen_t;
            // SAFETY: the pointer and the length describe a live sockaddr_in6.
            unsafe { libc::connect(fd, (&raw const address).cast(), length) }
        }
    }
}

/// Has the kernel give a connection up, with ETIMEDOUT, once its peer's host has answered nothing
/// for `seconds`: a wait for a slow answer goes on, a wait on a cut network ends. See
/// TCP_USER_TIMEOUT in tcp(7): with keep-alive on, it is the limit for probes too.
pub fn detect_dead_path(stream: &TcpStream, seconds: u16) -> io::Result<()> {
    let seconds = i32::from(seconds);
    set_option(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_KEEPALIVE, &1)?;
    set_option(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, &1)?;
    set_option(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, &1)?;
    set_option(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, &(seconds * 1000))
}

/// From now on new connections find nobody, while those whose handshake has begun can still be
/// accepted, in a queue that has room for them: between the last accept and the close of a listener
/// nobody can be reset any more.
///
/// A classic BPF program (socket(7), SO_ATTACH_FILTER) drops each segment that has SYN without ACK
/// among its flags, which are the byte at offset 13 of the TCP header (RFC 9293, section 3.1).
pub fn refuse_handshakes(listener: &TcpListener) -> io::Result<()> {
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
    set_option(listener.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
    // A longer queue, as long as net.core.somaxconn permits: room for the handshakes under way.
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), u16::MAX.into()) })?;
    Ok(())
}

/// Whether the kernel has ever dropped a packet of a handshake, as it does when the queue is full:
/// SO_MEMINFO, Linux 4.12. No, where it cannot say.
pub fn has_dropped(listener: &TcpListener) -> bool {
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    let mut information = [0u32; DROPS + 1];
    let mut length = size_of_val(&information) as libc::socklen_t;
    let (fd, pointer) = (listener.as_raw_fd(), information.as_mut_ptr().cast());
    // SAFETY: `pointer` and `length` describe a live array.
    let result = check(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, pointer, &mut length)
    });
    result.is_ok() && information[DROPS] > 0
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn set_option<T>(fd: RawFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the pointer and the length describe a live T; the callers give the T the option wants.
    check(unsafe { libc::setsockopt(fd, level, name, pointer, length) })?;
    Ok(())
}
