#!/usr/bin/env python3
"""Measures the program side by side with its peers, and writes RESULTS.md and results.svg next to it."""

import argparse
import json
import os
import subprocess
import time

import clients
import counts
import machine
import measure
import programs
import report
import scaling
from machine import LOAD_CPUS, SERVER_CPU, pinned
from measure import LOAD, Case, Failure, Server

SLICES, SLICE = 8, 2000
HELD, HELD_SLICES, HELD_SLICE = 10_000, 3, 4000
STARTS = 7
# Serve one connection at a time: a silent one is enough to stop them.
SEQUENTIAL = ("yardstick", "Python")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="at least 5 for figures to be shown")
    arguments = parser.parse_args()
    machine.raise_signals()
    built = measure.HERE / "target/built.json"
    if "BENCH_PRIVATE" not in os.environ:
        built.parent.mkdir(exist_ok=True)
        built.write_text(json.dumps(programs.build()))
    machine.enter_private_network()
    results = json.loads(built.read_text())
    results["rounds"] = arguments.rounds
    start = time.monotonic()
    with machine.alone():
        Bench(results, arguments.rounds).run()
    results["seconds"] = time.monotonic() - start
    file = measure.HERE / "target/results.json"
    file.write_text(json.dumps(results, indent=1))
    report.write(results)
    if results["plotter"]:
        subprocess.run([results["plotter"], measure.HERE / "plot.py", file], check=True)
    machine.progress("done")
    print(f"\nbench: bench/RESULTS.md and bench/results.svg, after {results['seconds']:.0f} s")


class Bench:
    def __init__(self, results, rounds):
        self.results, self.rounds = results, rounds
        self.servers = results["servers"]
        self.held = min(HELD, machine.raise_descriptor_limit() - 500)

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
            machine.progress(f"{what}: round {number + 1} of {self.rounds}")
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
        self.results["silent"] = {name: measure.summaries(turns) for name, turns in figures.items()}

    def silent_round(self, command):
        with Server(command) as server:
            server.load(measure.WARM_UP)
            idle = machine.resident(server.pid)
            without = [server.load(HELD_SLICE) for _ in range(HELD_SLICES)]
            with server.holding(self.held):
                resident = machine.resident(server.pid)
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
                    idle[name].append(machine.resident(server.pid))
        self.results["idle"] = {name: measure.summary(sizes) for name, sizes in idle.items()}
        generator = [self.results["gen"], "1000"]
        times = [min(timed("time", generator) for _ in range(STARTS)) for _ in self.turns("gen 1000")]
        self.results["gen_us"] = measure.summary(times)

    def client(self):
        yardstick, rounds = self.servers["yardstick"], self.turns("clients")
        self.results["client"] = clients.compare(self.results["clients"], yardstick, rounds)

    def system_calls(self):
        self.results["calls"] = {}
        if counts.has_strace():
            self.results["calls"] = counts.server_calls(self.servers)
            for name, calls in counts.client_calls(self.results["clients"], self.servers["yardstick"]).items():
                self.results["client"][name]["calls"] = calls

    def instructions(self):
        self.results["instructions"] = counts.instructions(self.servers)

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
    port = machine.free_port()
    address = f"127.0.0.1:{port}"
    return timed("ready", command, address, environment=measure.server_environment(port, 1))


if __name__ == "__main__":
    main()
