#!/usr/bin/env python3
"""Compares the CPU that servers spend on a connection, side by side:

    bench/compare.py [--rounds 5] [--slices 12] [--connections 2000] [--sink file|pipe] NAME=COMMAND ...

The C yardstick is always among them. In each round the servers are started anew, all pinned to one
processor, and loaded in turn from the others, a slice at a time (BENCH_SERVER_CPU=3 and
BENCH_LOAD_CPUS=0,1,2 choose them). A round's ratio is the median over its slices of the ratio to the
yardstick's slice next to it; printed are the median of the rounds and, in brackets, the least and the
greatest.
"""

import argparse
import os
import shlex

import measure
import programs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slices", type=int, default=12, help="of a server in a round")
    parser.add_argument("--connections", type=int, default=2000, help="in a slice")
    parser.add_argument("--sink", choices=["file", "pipe"], default="file", help="for the log")
    parser.add_argument("servers", nargs="+", metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    measure.raise_signals()
    servers = {"yardstick": ([measure.YARDSTICK], arguments.sink)}
    for server in arguments.servers:
        name, separator, command = server.partition("=")
        if not separator:
            parser.error(f"{server}: not NAME=COMMAND")
        # Servers run in a folder of their own.
        words = [os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(command)]
        servers[name] = (words, arguments.sink)

    if "BENCH_PRIVATE" not in os.environ:
        programs.build_tools()
    measure.enter_private_network()
    rounds = []
    with measure.alone():
        for number in range(arguments.rounds):
            measure.progress(f"round {number + 1} of {arguments.rounds}")
            rounds.append(measure.compare(servers, arguments.slices, arguments.connections))
    measure.progress("done\n")
    print(f"{'':18}{'ratio':>6}{'':16}{'CPU µs':>8}{'':16}{'sleeps':>8}{'per s':>9}{'p99 µs':>9}")
    for name in servers:
        ratio = measure.summary([measure.ratio(round[name], round["yardstick"]) for round in rounds])
        cpu, sleeps, rate, p99 = (
            measure.summary([measure.middle(round[name], key) for round in rounds])
            for key in ("cpu_us", "sleeps", "per_second", "p99_us")
        )
        print(
            f"{name:18}{ratio[0]:6.3f} {spread(ratio, 3):15}{cpu[0]:8.2f} {spread(cpu, 2):15}"
            f"{sleeps[0]:8.3f}{rate[0]:9.0f}{p99[0]:9.0f}"
        )


def spread(values, digits):
    return f"({values[1]:.{digits}f}-{values[2]:.{digits}f})"


if __name__ == "__main__":
    main()
