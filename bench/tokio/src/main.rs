//! The echo server as a tokio user would write it: a task per connection, tracing for the log.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tracing::{error, info};
use tracing_subscriber::fmt::time::ChronoLocal;

const TIMEOUT: Duration = Duration::from_secs(60);
const LIMIT: u64 = 64 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_max_level(std::env::var("LOGGING_LEVEL")?.parse::<tracing::Level>()?)
        .with_timer(ChronoLocal::new("%Y-%m-%d %H:%M:%S".to_owned()))
        .with_target(false)
        .with_ansi(false)
        .init();
    let port: u16 = std::env::var("SERVER_PORT")?.parse()?;
    let backlog: u32 = std::env::var("SERVER_LISTEN_BACKLOG")?.parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    let listener = socket.listen(backlog)?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        info!("action: accept_connections | result: in_progress");
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => return Ok(()),
        };
        let ip = address.ip();
        info!("action: accept_connections | result: success | ip: {ip}");
        tokio::spawn(async move {
            match timeout(TIMEOUT, serve(stream, ip)).await {
                Ok(Ok(())) => {}
                Ok(Err(e)) => {
                    error!("action: receive_message | result: fail | ip: {ip} | error: {e}");
                }
                Err(e) => error!("action: receive_message | result: fail | ip: {ip} | error: {e}"),
            }
        });
    }
}

/// Echoes one message, up to its newline.
async fn serve(mut stream: TcpStream, ip: IpAddr) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(LIMIT));
    let mut message = Vec::new();
    if reader.read_until(b'\n', &mut message).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8_lossy(&message);
    info!("action: receive_message | result: success | ip: {ip} | msg: {}", text.trim_end());
    writer.write_all(&message).await
}
