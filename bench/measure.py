"""How servers are started, loaded, measured and compared."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time
import typing

from machine import LOAD_CPUS, SERVER_CPU, free_port, pinned, segments

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


def server_environment(port, workers):
    return {
        "PATH": os.environ["PATH"],
        "SERVER_BIND": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_LISTEN_BACKLOG": "65535",
        "SERVER_WORKERS": str(workers),
        "LOGGING_LEVEL": "INFO",
    }


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
            for name in in_turn(cases, number):
                figures[name].append(running[name].measure(connections, *cases[name].options()))
        return figures


def in_turn(names, number):
    """Forwards, then backwards."""
    return list(names)[:: -1 if number % 2 else 1]


def ratio(figures, base, key="cpu_us"):
    """The median of the ratios of figures that were taken next to each other."""
    return statistics.median(one[key] / other[key] for one, other in zip(figures, base))


def middle(figures, key):
    return statistics.median(figure[key] for figure in figures)


def summary(values):
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)


def summaries(rounds):
    """The summary of each figure that the rounds have."""
    return {key: summary([figures[key] for figures in rounds]) for key in rounds[0]}
