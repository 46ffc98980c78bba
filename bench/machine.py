"""The machine that is measured on: its processors, its network, and this process's place there. Linux only; nothing
but the standard library."""

import contextlib
import fcntl
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile


def raise_signals():
    """As exceptions, which stop what was started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def progress(text):
    """In place on a terminal, line by line elsewhere."""
    start, end = ("\r\033[K", "") if sys.stdout.isatty() else ("", "\n")
    print(f"{start}bench: {text}", end=end, flush=True)


def processors(name, default):
    """A list of processors: that of the environment's variable, or the default."""
    return [int(cpu) for cpu in os.environ[name].split(",")] if name in os.environ else default


USABLE = sorted(os.sched_getaffinity(0))
SERVER_CPU = processors("BENCH_SERVER_CPU", USABLE[-1:])
# A connection costs its client twice what it costs its server: one processor's load leaves the server
# idle at times, and then part of what it spends is falling asleep and waking up.
LOAD_CPUS = processors("BENCH_LOAD_CPUS", USABLE[-4:-1])


def pinned(cpus, command):
    return ["taskset", "--cpu-list", ",".join(map(str, cpus)), *map(str, command)]


def enter_private_network():
    """Goes on in a network namespace of its own: no firewall there, whose connection tracking costs
    CPU and whose table a benchmark fills in seconds, and nobody else's connections."""
    if "BENCH_PRIVATE" in os.environ:
        return
    os.environ["BENCH_PRIVATE"] = "yes"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    # There a queue may be as long as a server asks for.
    queue = "{ { echo 65535 >/proc/sys/net/core/somaxconn; } 2>/dev/null || true; }"
    script = f'ip link set lo up && {queue} && exec "$@"'
    unshare = ["unshare", *user, "--net", "sh", "-c", script, "sh"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])
    print("bench: no network namespace to be had: the machine's firewall is measured too")


@contextlib.contextmanager
def alone():
    """One benchmark at a time on this machine, this process out of the way of what it measures."""
    if not LOAD_CPUS:
        sys.exit("bench: two processors are needed, one for the server and one for the load")
    os.sched_setaffinity(0, LOAD_CPUS)
    with open(os.path.join(tempfile.gettempdir(), "tp0-bench.lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("bench: waiting for another benchmark to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def raise_descriptor_limit():
    """To the hard limit, for what is started from here: not every server does it itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def segments():
    """TCP segments sent so far in this network namespace, by both sides."""
    with open("/proc/net/snmp", encoding="ascii") as lines:
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(dict(zip(names, values))["OutSegs"])


def resident(pid):
    """Bytes of a process in memory. /proc/PID/status has it too, but only roughly."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return int(re.search(r"^Rss: +(\d+)", lines.read(), re.MULTILINE)[1]) * 1024
