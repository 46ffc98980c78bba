#!/usr/bin/env python3
"""Measures the programs side by side with their peers, and writes RESULTS.md and results.svg next to itself.

README.md says what is measured and how. Linux only; standard library only, and matplotlib for the plot.
"""

import argparse
import collections
import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = ROOT / "target/bench"
TOOLS, SHIPPED, WORK = TARGET / "release", TARGET / "shipped", TARGET / "work"
PROGRAMS = ("server", "client", "gen")

BASELINE, OURS = "baseline", "tp0"
SERVERS = {
    BASELINE: [TOOLS / "baseline"],
    OURS: [SHIPPED / "server"],
    "tokio": [TOOLS / "echo-tokio"],
    "Go": [TOOLS / "go-server"],
    # The interpreter itself: a wrapper or a virtual environment would add to its start.
    "Python": [os.path.realpath(sys.executable), HERE / "peers/server.py"],
}
CLIENTS = {BASELINE: [TOOLS / "baseline_client"], OURS: [SHIPPED / "client"], "Go": [TOOLS / "go-client"]}
# They serve one connection at a time: a silent one stops them.
SEQUENTIAL = (BASELINE, "Python")
# When a message is sent: right after connect(2), or once the connection is writable.
LOADS = ("now", "late")
# Where a server's log goes.
SINKS = ("file", "pipe")

SLICES, SLICE, WARM_UP = 6, 1000, 500
SILENT, SILENT_SLICES, SILENT_SLICE = 10_000, 3, 2000
CLIENT_SLICES, MESSAGES = 4, 2000
STARTS = 7
# Seconds that all rounds may take together.
ENOUGH = 280
# Seconds until the server has closed the last connections of a slice: the load does not wait for that.
SETTLE = 0.02
# Seconds; anything slower than this is broken.
LIMIT = 20

USABLE = sorted(os.sched_getaffinity(0))
SERVER_CPU = USABLE[-1:]
# A connection costs its client more than it costs its server, so the load gets up to three processors.
LOAD_CPUS = USABLE[-4:-1]
LIBC = ctypes.CDLL(None)


def say(text):
    print(f"bench: {text}", flush=True)


def fail(text):
    sys.exit(f"bench: {text}")


# The machine


def prepare_machine():
    """Gives this process what every load needs: its own network, its processors, and file descriptors."""
    if not LOAD_CPUS:
        fail("two processors are needed, one for the server and one for the load")
    WORK.mkdir(parents=True, exist_ok=True)
    enter_private_network()
    os.sched_setaffinity(0, LOAD_CPUS)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def enter_private_network():
    """Moves this process into a network namespace of its own. It has no firewall: connection tracking costs CPU, and
    a load fills its table (nf_conntrack_max) within seconds; then packets are lost."""
    new_user, new_net = 0x10000000, 0x40000000
    user, group = os.geteuid(), os.getegid()
    flags = new_net if user == 0 else new_net | new_user
    if not shutil.which("ip") or LIBC.unshare(flags) != 0:
        say("no network namespace (it takes ip, and root or user namespaces): a firewall counts into the figures,")
        say("and its table of connections may fill up, which fails the load")
        return
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            pathlib.Path("/proc/self", name).write_text(text, encoding="ascii")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/sys/net/core/somaxconn").write_text("65535", encoding="ascii")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident(pid):
    """Bytes of a process in memory; 0 once it has ended. /proc/PID/status has them too, but only roughly."""
    with contextlib.suppress(ProcessLookupError):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return int(re.search(r"^Rss: +(\d+)", text, re.MULTILINE)[1]) * 1024
    return 0


# Builds


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, **options)


def output(*command):
    """What a command prints; nothing where there is no such command, or it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return run(*command, capture_output=True, text=True).stdout.strip()
    return ""


def cargo_build(source, target, *options):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    run("cargo", "build", "--quiet", "--release", "--locked", *options, cwd=source, env=environment)


def build_tools():
    """The load generator, the tokio server and the baseline."""
    say("building the load generator, tokio and the baseline (a minute the first time)")
    cargo_build(HERE, TARGET)
    for name in ("baseline", "baseline_client"):
        run("cc", "-O2", "-o", TOOLS / name, HERE / f"{name}.c")


def build_go():
    for name in ("server", "client"):
        run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", TOOLS / f"go-{name}", HERE / f"peers/{name}.go")


def build_shipped(source, directory):
    """Builds the static programs that the image ships into a directory. Returns how, or None where it cannot."""
    directory.mkdir(parents=True, exist_ok=True)
    if output("docker", "version"):
        say(f"building {source} with its Dockerfile")
        with contextlib.suppress(subprocess.SubprocessError):
            build_by_docker(source, directory)
            return "its Dockerfile"
    target = f"{platform.machine()}-unknown-linux-musl"
    libraries = output("rustc", "--print", "target-libdir", "--target", target)
    if libraries and pathlib.Path(libraries).is_dir():
        say(f"building {source} for {target}")
        cargo_build(source, TARGET / "musl", "--target", target)
        for name in PROGRAMS:
            shutil.copy2(TARGET / "musl" / target / "release" / name, directory)
        return f"cargo for {target}"
    say(f"{source}: the image's static programs cannot be built; `make docker-image` shows why the Dockerfile fails,")
    say(f"or `rustup target add {target}` makes cargo able to")
    return None


def build_by_docker(source, directory):
    image = f"tp0-bench-{os.getpid()}"
    run("docker", "build", "--tag", image, source, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=600)
    try:
        container = run("docker", "create", image, "/server", capture_output=True, text=True).stdout.strip()
        for name in PROGRAMS:
            run("docker", "cp", f"{container}:/{name}", directory / name, capture_output=True)
        run("docker", "rm", container, stdout=subprocess.DEVNULL)
    finally:
        run("docker", "rmi", image, stdout=subprocess.DEVNULL)


def build():
    """Builds everything. Returns the names of what cannot be measured, and what built the rest."""
    build_tools()
    missing = set()
    versions = [output("rustc", "--version"), f"Python {platform.python_version()}"]
    if shutil.which("go"):
        build_go()
        versions.append(output("go", "version"))
    else:
        say("there is no go command: the Go server and the Go client are left out")
        missing.add("Go")
    builder = build_shipped(ROOT, SHIPPED)
    if builder:
        versions.append(f"tp0 by {builder}")
    else:
        say("the rows of tp0 are left out")
        missing.add(OURS)
    return missing, ", ".join(versions)


# A server under load


class Server:
    """A running server, by default on the processor that no load uses."""

    def __init__(self, command, sink="file", cpus=SERVER_CPU):
        self.port = free_port()
        self.reader = None
        if sink == "pipe":
            self.reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with self.reader.stdin if self.reader else tempfile.TemporaryFile(dir=WORK) as log:
            self.process = start(command, server_environment(self.port), cpus, log)
        self.pid = self.process.pid

    def __enter__(self):
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1, source_address=("127.0.0.2", 0)).close()
                return self
            time.sleep(0.005)
        fail(f"the server does not listen: {' '.join(map(str, self.process.args))}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.reader:
            self.reader.wait()

    def cpu(self):
        """Nanoseconds of CPU that all threads have used so far, as the scheduler counts them."""
        threads = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads)

    def load(self, connections, load="now"):
        """Returns the load generator's figures, and the server's CPU per connection."""
        before = self.cpu()
        figures = json.loads(run_load(load, self.port, connections, len(LOAD_CPUS)))
        time.sleep(SETTLE)
        return {**figures, "cpu_us": (self.cpu() - before) / connections / 1000}

    @contextlib.contextmanager
    def holding(self, connections):
        """With so many silent connections open."""
        command = [TOOLS / "load", "hold", str(self.port), str(connections)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as holder:
            deadline = time.monotonic() + LIMIT
            # Each server has its standard streams and its listener open too.
            while len(os.listdir(f"/proc/{self.pid}/fd")) < connections + 4:
                if time.monotonic() > deadline or holder.poll() is not None:
                    fail("the server did not accept all silent connections")
                time.sleep(SETTLE)
            yield


def server_environment(port):
    return {
        "PATH": os.environ["PATH"],
        "SERVER_BIND": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_LISTEN_BACKLOG": "65535",
        "SERVER_WORKERS": "1",
        "LOGGING_LEVEL": "INFO",
    }


def start(command, environment, cpus, log):
    """Starts a program on these processors. The kernel kills it when this process ends, however that happens."""

    def prepare():
        os.sched_setaffinity(0, cpus)
        LIBC.prctl(1, signal.SIGKILL)

    return subprocess.Popen(
        command, env=environment, cwd=WORK, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare
    )


def run_load(*words, environment=None):
    command = [TOOLS / "load", *map(str, words)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        fail(result.stderr.strip())
    return result.stdout


# Side by side


def cases(servers, loads=LOADS, sinks=SINKS):
    """Every server with every load and sink: (server, load, sink). The baseline has no log."""
    for load in loads:
        yield BASELINE, load, "file"
        yield from ((name, load, sink) for sink in sinks for name in servers if name != BASELINE)


def side_by_side(servers, compared, slices=SLICES, connections=SLICE):
    """One round. All servers run at the same time and are loaded in turn, a slice at a time, so that whatever else
    the machine does meets all of them alike. Returns each case's CPU per connection, slice by slice."""
    with contextlib.ExitStack() as stack:
        running = {}
        for name, load, sink in compared:
            server = stack.enter_context(Server(servers[name], sink))
            server.load(WARM_UP, load)
            running[name, load, sink] = server
        figures = {case: [] for case in running}
        for number in range(slices):
            for case in forwards_and_backwards(running, number):
                figures[case].append(running[case].load(connections, case[1])["cpu_us"])
        return figures


def forwards_and_backwards(names, number):
    return list(names)[:: -1 if number % 2 else 1]


def ratio(figures, base):
    """The median ratio of figures that were taken next to each other."""
    return statistics.median(one / other for one, other in zip(figures, base))


def summary(values):
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)


# The measurements: each makes one round, and returns its figures as {"NAME: FIGURE": value}


def measure_cpu(servers):
    slices = side_by_side(servers, cases(servers))
    row = {}
    for (name, load, sink), taken in slices.items():
        row[f"{name}: {load}/{sink}"] = ratio(taken, slices[BASELINE, load, "file"])
        row[f"{name}: {load}/{sink} µs"] = statistics.median(taken)
    return row


def measure_silent(servers):
    row = {}
    for name in servers.keys() - SEQUENTIAL:
        with Server(servers[name]) as server:
            server.load(WARM_UP)
            without = [server.load(SILENT_SLICE) for _ in range(SILENT_SLICES)]
            with server.holding(silent_connections()):
                row[f"{name}: silent"] = resident(server.pid)
                beside = [server.load(SILENT_SLICE) for _ in range(SILENT_SLICES)]
        for figure in ("per_second", "p99_us"):
            before, after = (statistics.median(load[figure] for load in part) for part in (without, beside))
            row[f"{name}: silent {figure}"] = after / before
    return row


def silent_connections():
    return min(SILENT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)


def measure_start(servers):
    """Start, idle memory, size. The least of several starts, because anything else on the machine only adds to it."""
    row = {}
    for name, command in servers.items():
        row[f"{name}: start"] = min(time_to_ready(command) for _ in range(STARTS))
        with Server(command) as server:
            time.sleep(0.2)
            row[f"{name}: idle"] = resident(server.pid)
        if name not in SEQUENTIAL:
            row[f"{name}: server size"] = command[0].stat().st_size
    if OURS in servers:
        generator = ["time", SERVER_CPU[0], SHIPPED / "gen", 1000]
        row["programs: size"] = sum((SHIPPED / name).stat().st_size for name in PROGRAMS)
        row["gen 1000: time"] = min(float(run_load(*generator)) for _ in range(STARTS))
    return row


def time_to_ready(command):
    port = free_port()
    return float(run_load("ready", port, SERVER_CPU[0], *command, environment=server_environment(port)))


def measure_clients(clients):
    row = {}
    cpu = {name: [] for name in clients}
    with Server(SERVERS[BASELINE], cpus=LOAD_CPUS) as server:
        for number in range(CLIENT_SLICES):
            for name in forwards_and_backwards(clients, number):
                used, row[f"{name}: client memory"] = run_client(clients[name], server.port)
                cpu[name].append(used)
    for name, slices in cpu.items():
        row[f"{name}: client µs"] = statistics.median(slices)
        if name not in SEQUENTIAL:
            row[f"{name}: client size"] = clients[name][0].stat().st_size
        for base in cpu.keys() - {OURS}:
            row[f"{name}: client × {base}"] = ratio(slices, cpu[base])
    return row


def run_client(command, port):
    """Runs a client from start to end. Returns its CPU per message in µs, and its memory at most."""
    environment = {
        "CLI_ID": "1",
        "CLI_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "CLI_LOOP_AMOUNT": str(MESSAGES),
        "CLI_LOOP_PERIOD": "0s",
        "CLI_LOG_LEVEL": "INFO",
    }
    with tempfile.TemporaryFile(dir=WORK) as log:
        client = start(command, environment, SERVER_CPU, log)
    memory = ended = 0
    while not ended:
        memory = max(memory, resident(client.pid))
        time.sleep(SETTLE)
        ended, status, usage = os.wait4(client.pid, os.WNOHANG)
    client.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode != 0:
        fail(f"{command[0]}: ended with {client.returncode}")
    return (usage.ru_utime + usage.ru_stime) / MESSAGES * 1e6, memory


def measure(servers, clients, rounds):
    """Returns the summary of each figure, and how many rounds there were."""
    taken = collections.defaultdict(list)
    begin = time.monotonic()
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for part in (measure_cpu(servers), measure_silent(servers), measure_start(servers), measure_clients(clients)):
            for name, value in part.items():
                taken[name].append(value)
        if (time.monotonic() - begin) / number * (number + 1) > ENOUGH:
            break
    return {name: summary(values) for name, values in taken.items()}, number


# The report

MB, MS = 1e6, 1e3
# What, figure, unit, limit, meaning.
TARGETS = [
    ("server: CPU per connection, log to a file", "tp0: now/file", 1, "≤ 1.25", "× baseline"),
    ("server: CPU per connection, log to a pipe", "tp0: now/pipe", 1, "≤ 1.25", "× baseline"),
    ("server: CPU per connection, late messages", "tp0: late/file", 1, "≤ 1.35", "× baseline"),
    ("server: memory with silent connections", "tp0: silent", MB, "≤ 2", "MB"),
    ("server: throughput with silent connections", "tp0: silent per_second", 1, "≥ 0.9", "× that without"),
    ("server: p99 with silent connections", "tp0: silent p99_us", 1, "≤ 2", "× that without"),
    ("server: memory while idle", "tp0: idle", MB, "≤ 1", "MB"),
    ("server: exec to first connection", "tp0: start", MS, "≤ 2", "ms"),
    ("client: CPU per message", "tp0: client × Go", 1, "≤ 0.6", "× Go's"),
    ("client: memory", "tp0: client memory", MB, "≤ 1", "MB"),
    ("the three programs: size", "programs: size", MB, "≤ 0.8", "MB"),
    ("gen 1000: time", "gen 1000: time", MS, "≤ 5", "ms"),
]
# Title, and the columns: head, figure, unit.
CPU_COLUMNS = [(f"{load}/{sink}", f"{load}/{sink}", 1) for load in LOADS for sink in SINKS]
MEMORY_COLUMNS = [("with silent connections, MB", "silent", MB), ("idle, MB", "idle", MB)]
START_COLUMNS = [("exec to first connection, ms", "start", MS), ("program, MB", "server size", MB)]
CLIENT_COLUMNS = [("CPU, × Go's", "client × Go", 1), ("× baseline", "client × baseline", 1), ("µs", "client µs", 1)]
CLIENT_COLUMNS += [("memory, MB", "client memory", MB), ("program, MB", "client size", MB)]
TABLES = [
    ("Server: CPU per connection, × baseline", [*CPU_COLUMNS, ("now/file, µs", "now/file µs", 1)]),
    ("Server: memory, start, size", MEMORY_COLUMNS + START_COLUMNS),
    ("Client: CPU per message, memory, size", CLIENT_COLUMNS),
]


def targets(figures):
    """What, target, measured, met or missed; without what could not be measured."""
    for what, name, unit, limit, meaning in TARGETS:
        if name in figures:
            sign, bound = limit.split()
            median = figures[name][0] / unit
            met = median >= float(bound) if sign == "≥" else median <= float(bound)
            yield what, f"{limit} {meaning}", spread(figures, name, unit), "met" if met else "missed"


def write_report(figures, rounds, versions):
    text = [
        "# Results",
        "",
        f"`make bench` wrote this on {datetime.date.today()}, on {machine()}.",
        f"A figure is the median of the rounds ({rounds}), with the least and the greatest in brackets. The silent",
        f"connections are {silent_connections():,}. Ratios hold from one machine to another better than the rest does.",
        "[README.md](README.md) says what is compared, and how.",
        "",
        "![CPU per connection, memory with silent connections, start, idle memory](results.svg)",
        *table("Targets", ["", "target", "measured", ""], targets(figures)),
    ]
    for title, columns in TABLES:
        cells = {name: [spread(figures, f"{name}: {key}", unit) for _, key, unit in columns] for name in SERVERS}
        rows = [[name, *row] for name, row in cells.items() if any(row)]
        text += table(title, ["", *(head for head, _, _ in columns)], rows)
    text += ["", f"Built with {versions}."]
    (HERE / "RESULTS.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def table(title, head, rows):
    line = "| {} |".format
    yield from ["", f"## {title}", "", line(" | ".join(head)), "|" + "---|" * len(head)]
    yield from (line(" | ".join(row)) for row in rows)


def spread(figures, name, unit=1, digits=2):
    """Median, least and greatest; nothing for what was not measured."""
    if name not in figures:
        return ""
    median, low, high = (f"{value / unit:,.{digits}f}" for value in figures[name])
    return f"{median} ({low}–{high})" if low != high else median


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = re.findall(r"^model name\s*:\s*(.+)", text, re.MULTILINE)
    return f"{os.cpu_count()} × {models[0] if models else platform.machine()}, Linux {platform.release()}"


# The plot


def draw(figures, plt):
    """Draws results.svg in colours that read on a light page and on a dark one."""
    grey = "#7f868e"
    colours = dict.fromkeys(("text.color", "xtick.color", "ytick.color"), grey)
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 10, **colours})
    figure, axes = plt.subplots(2, 2, figsize=(9.6, 5.2), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12)
    panels = [
        ("Server: CPU per connection", "× baseline, log to a file", "now/file", 1),
        (f"Memory with {silent_connections():,} silent connections", "MB", "silent", MB),
        ("From exec to the first connection", "ms", "start", MS),
        ("Memory of an idle server", "MB", "idle", MB),
    ]
    names = [name for name in SERVERS if f"{name}: start" in figures]
    for axis, (title, meaning, key, unit) in zip(axes.flat, panels):
        bars = [[value / unit for value in figures.get(f"{name}: {key}", ())] for name in names]
        draw_bars(axis, names, bars, grey)
        axis.set_title(f"{title}\n", loc="left", fontsize=11, weight="bold")
        axis.text(0, 1.03, meaning, transform=axis.transAxes, fontsize=9)
    figure.savefig(HERE / "results.svg", transparent=True, metadata={"Date": None, "Creator": None})


def draw_bars(axis, names, bars, grey):
    """A bar is a median, a least and a greatest value, or nothing."""
    for row, (name, bar) in enumerate(zip(names, bars)):
        median, low, high = bar or (0, 0, 0)
        label = f"{median:.2f}" if bar else "serves one connection at a time"
        axis.barh([row], [median], color="#e8590c" if name == OURS else "#7c8da0", height=0.62)
        axis.plot([low, high], [row, row], color=grey, linewidth=1)
        axis.annotate(label, (high, row), xytext=(5, 0), textcoords="offset points", va="center")
    axis.set_yticks(range(len(names)), names)
    axis.set_xlim(0, 1.25 * max(bar[2] for bar in bars if bar))
    axis.invert_yaxis()
    axis.grid(axis="x", color=grey, alpha=0.3, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help=f"fewer where they would take more than {ENOUGH} s")
    arguments = parser.parse_args()
    missing, versions = build()
    prepare_machine()
    servers, clients = ({name: all_[name] for name in all_ if name not in missing} for all_ in (SERVERS, CLIENTS))
    figures, rounds = measure(servers, clients, arguments.rounds)
    write_report(figures, rounds, versions)
    try:
        import matplotlib.pyplot

        draw(figures, matplotlib.pyplot)
    except ImportError:
        say("there is no matplotlib (make bench installs it): results.svg stays as it was")
    for what, target, measured, met in targets(figures):
        print(f"{what:44}{target:22}{measured:22}{met}")
    say("bench/RESULTS.md has the rest")


if __name__ == "__main__":
    main()
