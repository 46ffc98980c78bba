"""What a second, a third, a fourth worker brings."""

import contextlib
import pathlib
import subprocess

import machine
import measure
from machine import LOAD_CPUS, SERVER_CPU, pinned
from measure import BUILT, LOAD, Failure, Server

PROCESSORS = [*LOAD_CPUS, *SERVER_CPU]
# The load on two workers. Of two processors it has to share one.
TWO_WORKERS_LOAD = PROCESSORS[:-2] or PROCESSORS[:1]
SLICES, SLICE = 8, 4000
# In a queue before the server begins. The other end of each has a descriptor too.
QUEUE = 8000


def queue_length():
    longest = int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))
    return min(QUEUE, longest, machine.raise_descriptor_limit() // 2 - 500)


@contextlib.contextmanager
def servers(command, counts):
    """The same server once for each number of workers, each of them on a processor of its own."""
    with contextlib.ExitStack() as stack:
        running = {}
        for count in counts:
            server = Server(command, name=f"{count}-workers", cpus=PROCESSORS[-count:], workers=count)
            running[count] = stack.enter_context(server)
            server.load(measure.WARM_UP)
        yield running


def closed_loop(command, turns):
    """The usual load on one worker and on two, from the processors that neither of them uses, if there are any."""
    figures = {1: [], 2: []}
    for _ in turns:
        with servers(command, figures) as running:
            slices = {count: [] for count in running}
            for number in range(SLICES):
                for count in measure.in_turn(running, number):
                    slices[count].append(running[count].measure(SLICE, cpus=TWO_WORKERS_LOAD))
        for count, taken in slices.items():
            ratios = {
                f"{key}_ratio": measure.ratio(taken, slices[1], key) for key in ("cpu_us", "per_second")
            }
            figures[count].append({**{key: measure.middle(taken, key) for key in taken[0]}, **ratios})
    return {count: measure.summaries(taken) for count, taken in figures.items()}


def full_queue(command, turns):
    """Served a second, of a queue that was full before the first was accepted; and what threads can
    accept at most, from one queue and from a queue each."""
    length = queue_length()
    if length < 1000:
        print("bench: a full queue is not measured: the limit on descriptors or net.core.somaxconn is too low")
        return {}
    counts = range(1, len(PROCESSORS) + 1)
    figures = {count: [] for count in counts}
    with servers(command, counts) as running:
        # The first time the server's tables grow.
        for server in running.values():
            drain(server, length)
        for number in turns:
            turn = {}
            for count in measure.in_turn(running, number):
                turn[count] = {
                    "served": drain(running[count], length),
                    "one": accept("one", count, length),
                    "each": accept("each", count, length),
                }
            for count, rates in turn.items():
                ratios = {f"{key}_ratio": value / turn[1][key] for key, value in rates.items()}
                figures[count].append({**rates, **ratios})
    return {count: measure.summaries(taken) for count, taken in figures.items()}


def drain(server, length):
    command = [LOAD, "drain", f"127.0.0.1:{server.port}", "--connections", length, "--pid", server.pid]
    return rate(pinned(PROCESSORS[:1], command))


def accept(queues, threads, length):
    return rate([BUILT / "accept", queues, length, *PROCESSORS[-threads:]])


def rate(command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"{command}: {result.stderr.strip()}")
    return float(result.stdout)
