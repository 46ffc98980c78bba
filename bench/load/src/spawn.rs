//! How long programs take to start, or altogether.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// What is slower than this counts as broken.
const LIMIT: Duration = Duration::from_secs(10);

pub fn ready(cpu: usize, address: SocketAddr, command: &[String]) -> io::Result<()> {
    if TcpStream::connect(address).is_ok() {
        return Err(io::Error::other(format!("{address}: somebody listens there already")));
    }
    let mut command = to_command(cpu, command)?;
    let start = Instant::now();
    let mut child = command.spawn()?;
    // It asks again at once: a sleep in between would be part of the result.
    let outcome = loop {
        match TcpStream::connect(address) {
            Ok(_) => break Ok(start.elapsed()),
            Err(error) if start.elapsed() > LIMIT => break Err(error),
            Err(_) => {}
        }
    };
    child.kill()?;
    child.wait()?;
    println!("{:.1}", outcome?.as_secs_f64() * 1e6);
    Ok(())
}

pub fn time(cpu: usize, command: &[String]) -> io::Result<()> {
    let mut command = to_command(cpu, command)?;
    let start = Instant::now();
    let status = command.status()?;
    let elapsed = start.elapsed();
    if !status.success() {
        return Err(io::Error::other(format!("{status}")));
    }
    println!("{:.1}", elapsed.as_secs_f64() * 1e6);
    Ok(())
}

/// A command that moves to its own processor first: this process is busy on another one, waiting.
fn to_command(cpu: usize, words: &[String]) -> io::Result<Command> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let prepare = move || {
        // What ends this process ends it too.
        set_pdeathsig(Signal::SIGKILL)?;
        Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    Ok(command)
}
