#!/usr/bin/env python3
"""Compares the CPU that servers spend on a connection, side by side:

    bench/compare.py HEAD~1 .
    bench/compare.py --load late --sink file before=old/server after="new/server --config /etc/new.ini"

A server is a commit or a directory with sources, which are built as the image's programs are, or a
NAME=COMMAND. The C yardstick is always among them.

In each round the servers are started anew, all pinned to one processor, and loaded in turn from the
others, a slice at a time (BENCH_SERVER_CPU=3 and BENCH_LOAD_CPUS=0,1,2 choose them). A round's ratio is
the median over its slices of the ratio to the slice next to it: that of the yardstick under the same
load, and that of the first server with the same sink and load. Printed are the median of the rounds and,
in brackets, the least and the greatest. "late" messages are sent once the connection may be written to,
so that the server has mostly accepted it by then; the others ("now") right after connect(2).
"""

import argparse
import os
import pathlib
import shlex
import subprocess

import machine
import measure
import programs
from measure import Case

YARDSTICK = "yardstick"
LOADS, SINKS = ("now", "late"), ("file", "pipe")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--slices", type=int, default=8, help="of a server in a round")
    parser.add_argument("--connections", type=int, default=1000, help="in a slice")
    parser.add_argument("--sink", choices=SINKS, help="for the log; both without it")
    parser.add_argument("--load", choices=LOADS, help="when a message is sent; both without it")
    parser.add_argument("servers", nargs="+", metavar="SERVER")
    arguments = parser.parse_args()
    machine.raise_signals()
    if "BENCH_PRIVATE" not in os.environ:
        programs.build_tools()
    servers = dict(command(parser, server) for server in arguments.servers)
    machine.enter_private_network()

    cases = {}
    for load in [arguments.load] if arguments.load else LOADS:
        cases[YARDSTICK, "", load] = Case([measure.YARDSTICK], load=load)
        for sink in [arguments.sink] if arguments.sink else SINKS:
            for name, words in servers.items():
                cases[name, sink, load] = Case(words, sink, load)
    rounds = []
    with machine.alone():
        for number in range(arguments.rounds):
            machine.progress(f"round {number + 1} of {arguments.rounds}")
            rounds.append(measure.compare(cases, arguments.slices, arguments.connections))
    machine.progress("done\n")
    show(rounds, cases, next(iter(servers)))


def command(parser, server):
    """Its name and the words of its command. Servers run in a directory of their own: paths are absolute."""
    name, separator, words = server.partition("=")
    if separator:
        return name, [os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(words)]
    try:
        source = pathlib.Path(server)
        built = programs.build_tree(source) if source.is_dir() else programs.build_commit(server)
    except subprocess.CalledProcessError as error:
        parser.error(f"{server}: cannot be built: {error.stderr or error}")
    return server, [built / "server"]


def show(rounds, cases, first):
    width = max(len(name) for name, *_ in cases) + 2
    print(
        f"{'server':{width}}{'log':6}{'load':6}{'× yardstick':>12}{'':16}{f'× {first}':>12}{'':16}"
        f"{'CPU µs':>8}{'':16}{'sleeps':>8}{'per s':>9}{'p99 µs':>9}"
    )
    for name, sink, load in cases:
        case = (name, sink, load)
        compared = "".join(
            f"{spread(ratios(rounds, case, base), 3):>28}" if base in cases and base != case else f"{'':28}"
            for base in ((YARDSTICK, "", load), (first, sink, load))
        )
        cpu, sleeps, rate, p99 = (
            measure.summary([measure.middle(turn[case], key) for turn in rounds])
            for key in ("cpu_us", "sleeps", "per_second", "p99_us")
        )
        others = f"{sleeps[0]:8.3f}{rate[0]:9.0f}{p99[0]:9.0f}"
        print(f"{name:{width}}{sink:6}{load:6}{compared}{spread(cpu, 2):>24}{others}")


def ratios(rounds, case, base):
    return measure.summary([measure.ratio(turn[case], turn[base]) for turn in rounds])


def spread(values, digits):
    median, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{median} ({low}-{high})"


if __name__ == "__main__":
    main()
