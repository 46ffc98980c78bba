//! Client sockets. Their own address goes round in 127.0.0.0/8, for the ports of a single one would
//! run out: each is unusable for a while after its connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use socket2::{Domain, Protocol, Socket, Type};

const SOURCES: u64 = 32;

/// Reads an address, and refuses one that is not on this machine: this is no tool against others.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().map_err(|error| error.to_string())?;
    match address {
        SocketAddr::V4(v4) if v4.ip().is_loopback() => Ok(address),
        _ => Err("not in 127.0.0.0/8".to_owned()),
    }
}

/// Connects the `number`th socket. The handshake may still be on its way when this returns.
pub fn connect(address: SocketAddr, number: u64) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::TCP))?;
    // The port is chosen by connect(2), which knows the whole address and can use one again.
    setsockopt(&socket, IpBindAddressNoPort, &true)?;
    let source = Ipv4Addr::new(127, 0, 0, 1 + (number % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(socket.into()),
    }
}
