"""How programs are started, pinned, loaded and measured. Linux only; nothing but the standard library."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE / "target/release"
LOAD = BUILT / "load"
YARDSTICK = BUILT / "yardstick"
WORK = HERE / "target/work"

# Connections in flight; connections before a measurement begins.
IN_FLIGHT = 64
WARM_UP = 500
# Seconds for the last connections of a run to be closed, which the load does not wait for.
SETTLE = 0.02
# Seconds for what should take much less.
LIMIT = 20


class Failure(Exception):
    """The measurement could not be made."""


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


def server_environment(port, workers):
    return {
        "PATH": os.environ["PATH"],
        "SERVER_BIND": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_LISTEN_BACKLOG": "65535",
        "SERVER_WORKERS": str(workers),
        "LOGGING_LEVEL": "INFO",
    }


def resident(pid):
    """Bytes of a process in memory. /proc/PID/status has it too, but only roughly."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return int(re.search(r"^Rss: +(\d+)", lines.read(), re.MULTILINE)[1]) * 1024


@contextlib.contextmanager
def running(command, **options):
    """A process and what it is wrapped in: none of them stays."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Server:
    """A running server on its processor, its log going to a file or to a pipe that is read."""

    def __init__(self, command, sink="file", name="server", cpus=None, wrapper=(), workers=1):
        self.port = free_port()
        self.reader = None
        WORK.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            if sink == "pipe":
                self.reader = subprocess.Popen(
                    pinned(LOAD_CPUS, ["cat"]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
                )
                output = stack.enter_context(self.reader.stdin)
            else:
                output = stack.enter_context(open(WORK / f"{name}.log", "wb"))
            self.process = subprocess.Popen(
                pinned(cpus or SERVER_CPU, [*wrapper, *command]),
                env=server_environment(self.port, workers),
                cwd=WORK,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A process group for it and for what it is wrapped in.
                start_new_session=True,
            )
        self.pid = self.process.pid
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise

    def await_ready(self):
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.005)
        raise Failure(f"the server does not listen: {' '.join(map(str, self.process.args))}")

    def threads(self, file):
        return [path.read_text() for path in pathlib.Path(f"/proc/{self.pid}/task").glob(f"*/{file}")]

    def cpu(self):
        """Nanoseconds on a processor so far, in user space and in the kernel."""
        return sum(int(thread.split()[0]) for thread in self.threads("schedstat"))

    def sleeps(self):
        """How often it has waited for something so far."""
        pattern = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
        return sum(int(pattern.search(thread)[1]) for thread in self.threads("status"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def load(self, connections, *options, in_flight=IN_FLIGHT, cpus=None):
        """The load's own figures."""
        cpus = cpus or LOAD_CPUS
        command = [LOAD, "run", f"127.0.0.1:{self.port}", "--connections", connections]
        command += ["--in-flight", in_flight, "--threads", min(in_flight, len(cpus)), *options]
        result = subprocess.run(pinned(cpus, command), capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure(result.stderr.strip().removeprefix("load: "))
        return json.loads(result.stdout)

    def measure(self, connections, *options, cpus=None):
        """The load's figures, and what a connection has cost the server."""
        cpu, sleeps, sent = self.cpu(), self.sleeps(), segments()
        figures = self.load(connections, *options, cpus=cpus)
        time.sleep(SETTLE)
        figures["cpu_us"] = (self.cpu() - cpu) / connections / 1000
        figures["sleeps"] = (self.sleeps() - sleeps) / connections
        figures["segments"] = (segments() - sent) / connections
        return figures

    @contextlib.contextmanager
    def holding(self, connections):
        """With so many silent connections open."""
        command = [LOAD, "hold", f"127.0.0.1:{self.port}", "--connections", connections]
        with subprocess.Popen(
            pinned(LOAD_CPUS, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            if not holder.stdout.readline().startswith(b"held"):
                raise Failure("the silent connections could not be opened")
            deadline = time.monotonic() + LIMIT
            # Beside them each server has its three standard descriptors and its listener, at the least.
            while self.descriptors() < connections + 4:
                if time.monotonic() > deadline:
                    raise Failure("the server did not accept all silent connections")
                time.sleep(0.05)
            yield

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
            # In case that whoever had stopped it was interrupted.
            os.killpg(self.pid, signal.SIGCONT)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
        if self.reader:
            self.reader.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Case(typing.NamedTuple):
    """A server as it is compared with others."""

    command: list
    sink: str = "file"
    # When a message is sent: "now", right after connect(2), or "late", once the connection may be written to.
    load: str = "now"

    def options(self):
        return ["--late"] if self.load == "late" else []


def compare(cases, slices, connections):
    """One round: all servers side by side, each loaded for a fraction of a second in turn, so that
    whatever else the machine does meets all of them alike. `cases` by name; the answer maps a name to a
    list of figures."""
    with contextlib.ExitStack() as stack:
        running = {}
        for number, (name, case) in enumerate(cases.items()):
            running[name] = stack.enter_context(Server(case.command, case.sink, f"server-{number}"))
            running[name].load(WARM_UP, *case.options())
        figures = {name: [] for name in cases}
        for number in range(slices):
            # Forwards, then backwards.
            for name in list(cases) if number % 2 == 0 else list(reversed(cases)):
                figures[name].append(running[name].measure(connections, *cases[name].options()))
        return figures


def ratio(figures, base, key="cpu_us"):
    """The median of the ratios of figures that were taken next to each other."""
    return statistics.median(one[key] / other[key] for one, other in zip(figures, base))


def middle(figures, key):
    return statistics.median(figure[key] for figure in figures)


def summary(values):
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)
