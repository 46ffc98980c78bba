//! Silent connections, held.

use std::io::{self, Read};
use std::net::SocketAddr;

use crate::socket;

pub fn hold(address: SocketAddr, connections: usize) -> io::Result<()> {
    let mut held = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = socket::connect(address, number as u64)?;
        held.push(stream);
    }
    println!("held {}", held.len());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
