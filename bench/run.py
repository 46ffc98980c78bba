#!/usr/bin/env python3
"""Measures the program side by side with its peers, and writes RESULTS.md and results.svg next to it."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import time

import measure
import programs
import report
import scaling
from measure import LOAD, LOAD_CPUS, SERVER_CPU, WORK, Case, Failure, Server, pinned

SLICES, SLICE = 8, 2000
HELD, HELD_SLICES, HELD_SLICE = 10_000, 3, 4000
# A client's. Its start is in there too: less than a hundredth of it all.
CLIENT_SLICES, MESSAGES = 9, 1500
STARTS = 7
# Neither the first connections nor the end of a program belongs to what one more connection costs.
FEW, MANY = 500, 2500
# Serve one connection at a time: a silent one is enough to stop them.
SEQUENTIAL = ("yardstick", "Python")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="at least 5 for figures to be shown")
    arguments = parser.parse_args()
    measure.raise_signals()
    built = measure.HERE / "target/built.json"
    if "BENCH_PRIVATE" not in os.environ:
        built.parent.mkdir(exist_ok=True)
        built.write_text(json.dumps(programs.build()))
    measure.enter_private_network()
    results = json.loads(built.read_text())
    results["rounds"] = arguments.rounds
    start = time.monotonic()
    with measure.alone():
        Bench(results, arguments.rounds).run()
    results["seconds"] = time.monotonic() - start
    file = measure.HERE / "target/results.json"
    file.write_text(json.dumps(results, indent=1))
    report.write(results)
    if results["plotter"]:
        subprocess.run([results["plotter"], measure.HERE / "plot.py", file], check=True)
    measure.progress("done")
    print(f"\nbench: bench/RESULTS.md and bench/results.svg, after {results['seconds']:.0f} s")


class Bench:
    def __init__(self, results, rounds):
        self.results, self.rounds = results, rounds
        self.servers = results["servers"]
        self.held = min(HELD, measure.raise_descriptor_limit() - 500)

    def run(self):
        self.cpu()
        self.silent()
        self.start()
        self.client()
        self.system_calls()
        self.instructions()
        self.split()
        self.scaling()

    def turns(self, what):
        for number in range(self.rounds):
            measure.progress(f"{what}: round {number + 1} of {self.rounds}")
            yield number

    def cpu(self):
        """Of the servers, for a connection."""
        yardstick = self.servers["yardstick"]
        cases = {
            "yardstick": Case(yardstick),
            "one packet": Case([*yardstick, "one-packet"]),
            "yardstick, late": Case(yardstick, load="late"),
        }
        for name, command in self.servers.items():
            if name != "yardstick":
                cases |= {f"{name}, {sink}": Case(command, sink) for sink in ("file", "pipe")}
                cases[f"{name}, late"] = Case(command, load="late")
        rounds = [measure.compare(cases, SLICES, SLICE) for _ in self.turns("CPU a connection")]
        self.results["cpu"] = {
            name: {
                "ratio": measure.summary([measure.ratio(turn[name], turn[base(name)]) for turn in rounds]),
                **{
                    key: measure.summary([measure.middle(turn[name], key) for turn in rounds])
                    for key in ("cpu_us", "sleeps", "segments")
                },
            }
            for name in cases
        }

    def silent(self):
        """With and without silent connections held."""
        names = [name for name in self.servers if name not in SEQUENTIAL]
        figures = {name: [] for name in names}
        for _ in self.turns("silent connections"):
            for name in names:
                figures[name].append(self.silent_round(self.servers[name]))
        self.results["held"] = self.held
        self.results["silent"] = {
            name: {key: measure.summary([turn[key] for turn in turns]) for key in turns[0]}
            for name, turns in figures.items()
        }

    def silent_round(self, command):
        with Server(command) as server:
            server.load(measure.WARM_UP)
            idle = measure.resident(server.pid)
            without = [server.load(HELD_SLICE) for _ in range(HELD_SLICES)]
            with server.holding(self.held):
                resident = measure.resident(server.pid)
                held = [server.load(HELD_SLICE) for _ in range(HELD_SLICES)]
        rate, p99 = (
            measure.middle(held, key) / measure.middle(without, key) for key in ("per_second", "p99_us")
        )
        each = (resident - idle) / self.held
        return {"resident": resident, "each": each, "rate": rate, "p99": p99}

    def start(self):
        """From exec to the first connection taken, memory before it, the generator altogether. A round's
        time is the least of several: what the machine does meanwhile can only add to it."""
        ready = {name: [] for name in self.servers}
        for _ in self.turns("start"):
            for name, command in self.servers.items():
                ready[name].append(min(start_once(command) for _ in range(STARTS)))
        self.results["ready_us"] = {name: measure.summary(times) for name, times in ready.items()}
        idle = {name: [] for name in self.servers}
        for _ in self.turns("idle"):
            for name, command in self.servers.items():
                with Server(command) as server:
                    time.sleep(0.2)
                    idle[name].append(measure.resident(server.pid))
        self.results["idle"] = {name: measure.summary(sizes) for name, sizes in idle.items()}
        generator = [self.results["gen"], "1000"]
        times = [min(timed("time", generator) for _ in range(STARTS)) for _ in self.turns("gen 1000")]
        self.results["gen_us"] = measure.summary(times)

    def client(self):
        """Of the clients, for a message: side by side, as the servers are."""
        clients = self.results["clients"]
        figures = {name: [] for name in clients}
        for _ in self.turns("clients"):
            slices = {name: [] for name in clients}
            for number in range(CLIENT_SLICES):
                for name in list(clients) if number % 2 == 0 else list(reversed(clients)):
                    slices[name].append(client_slice(clients[name], self.servers["yardstick"]))
            for name, taken in slices.items():
                turn = {key: measure.middle(taken, key) for key in taken[0]}
                if "Go" in slices:
                    turn["ratio"] = measure.ratio(taken, slices["Go"])
                figures[name].append(turn)
        self.results["client"] = {
            name: {key: measure.summary([turn[key] for turn in turns]) for key in turns[0]}
            for name, turns in figures.items()
        }

    def system_calls(self):
        """A connection, with many in flight and with one."""
        self.results["calls"] = {}
        if not programs.output("strace", "true", "--version"):
            return programs.say("no strace, or not permitted: system calls are not counted")
        file = WORK / "strace"
        wrapper = ["strace", "-f", "-c", "-U", "calls,name", "-o", file]
        for name, command in self.servers.items():
            measure.progress(f"system calls: {name}")
            calls = {}
            for in_flight in (measure.IN_FLIGHT, 1):
                few, many = (
                    count_calls(file, command, wrapper, connections, in_flight) for connections in (FEW, MANY)
                )
                calls[str(in_flight)] = {
                    call: (count - few.get(call, 0)) / (MANY - FEW) for call, count in many.items()
                }
            self.results["calls"][name] = calls
        for name, command in self.results["clients"].items():
            few, many = (self.count_client_calls(file, command, wrapper, count) for count in (FEW, MANY))
            self.results["client"][name]["calls"] = (many - few) / (MANY - FEW)

    def count_client_calls(self, file, command, wrapper, messages):
        with Server(self.servers["yardstick"], cpus=LOAD_CPUS[-1:]) as server:
            environment = client_environment(server.port, messages)
            command = [*wrapper, *command]
            with measure.running(command, env=environment, stdout=subprocess.DEVNULL) as client:
                if client.wait(60):
                    raise Failure(f"{command}: ended with {client.returncode}")
        return sum(calls_in(file).values())

    def instructions(self):
        """Of user space, a connection."""
        self.results["instructions"] = {}
        if not programs.output("valgrind", "--version"):
            return programs.say("no valgrind: instructions are not counted")
        file = WORK / "callgrind"
        wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={file}"]
        for name, command in self.servers.items():
            measure.progress(f"instructions: {name}")
            # Valgrind does not know every runtime: Go's is beyond it.
            with contextlib.suppress(Failure, TypeError):
                few, many = (
                    count_instructions(file, command, wrapper, connections) for connections in (FEW, MANY)
                )
                self.results["instructions"][name] = (many - few) / (MANY - FEW)

    def split(self):
        """Whether a message that comes in pieces comes back whole."""
        self.results["split"] = {}
        for name, command in self.servers.items():
            with Server(command) as server:
                try:
                    server.load(500, "--pieces", "3", "--pause", "0.002")
                    self.results["split"][name] = "intact"
                except Failure as failure:
                    self.results["split"][name] = str(failure).replace("failed", "of 500 failed", 1)

    def scaling(self):
        """With more than one worker."""
        ours = self.servers["ours"]
        self.results["workers"] = scaling.closed_loop(ours, self.turns("two workers"))
        self.results["queue"] = scaling.full_queue(ours, self.turns("a full queue"))


def base(name):
    """What a ratio is to: the yardstick under the same load."""
    return "yardstick, late" if name.endswith(", late") else "yardstick"


def timed(what, command, *arguments, environment=None):
    """Microseconds that `load` tells."""
    words = [LOAD, what, "--cpu", SERVER_CPU[0], *arguments, "--", *command]
    result = subprocess.run(
        pinned(LOAD_CPUS, words), env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise Failure(f"{command}: {result.stderr.strip()}")
    return float(result.stdout)


def start_once(command):
    port = measure.free_port()
    address = f"127.0.0.1:{port}"
    return timed("ready", command, address, environment=measure.server_environment(port, 1))


def client_environment(port, messages):
    return {
        "PATH": os.environ["PATH"],
        "CLI_ID": "1",
        "CLI_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "CLI_LOOP_AMOUNT": str(messages),
        "CLI_LOOP_PERIOD": "0s",
        "CLI_LOG_LEVEL": "INFO",
    }


def client_slice(command, server_command):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(server_command, cpus=LOAD_CPUS[-1:]))
        log = stack.enter_context(open(WORK / "client.log", "wb"))
        # The program itself and not taskset is what is waited for, so that only its time counts.
        sent, before = measure.segments(), os.sched_getaffinity(0)
        os.sched_setaffinity(0, SERVER_CPU)
        environment = client_environment(server.port, MESSAGES)
        client = stack.enter_context(
            measure.running(command, env=environment, cwd=WORK, stdout=log, stderr=log)
        )
        os.sched_setaffinity(0, before)
        resident = 0
        while True:
            pid, status, usage = os.wait4(client.pid, os.WNOHANG)
            if pid:
                break
            with contextlib.suppress(OSError, TypeError):
                resident = max(resident, measure.resident(client.pid))
            time.sleep(0.02)
        client.returncode = os.waitstatus_to_exitcode(status)
        if client.returncode:
            raise Failure(f"{command}: ended with {client.returncode}")
        time.sleep(measure.SETTLE)
        return {
            "cpu_us": (usage.ru_utime + usage.ru_stime) / MESSAGES * 1e6,
            "segments": (measure.segments() - sent) / MESSAGES,
            "resident": resident,
        }


def count_calls(file, command, wrapper, connections, in_flight):
    with Server(command, wrapper=wrapper) as server:
        server.load(connections, in_flight=in_flight)
        time.sleep(measure.SETTLE)
    return calls_in(file)


def calls_in(file):
    lines = re.findall(r"^ *(\d+) (\w+)$", file.read_text(), re.MULTILINE)
    return {call: int(count) for count, call in lines if call != "total"}


def count_instructions(file, command, wrapper, connections):
    with Server(command, wrapper=wrapper) as server:
        server.load(connections)
        time.sleep(measure.SETTLE)
    return int(re.search(r"Collected : (\d+)", file.read_text())[1])


if __name__ == "__main__":
    main()
