#!/usr/bin/env python3
"""Compares the CPU that servers spend on a connection, side by side:

    bench/compare.py HEAD~1 .
    bench/compare.py --load late --sink file before=old/server after="new/server --config /etc/new.ini"

A server is a commit or a directory of sources, of which the image's programs are built, or NAME=COMMAND.

A column is a load and a sink. "now" sends a message right after connect(2); "late" sends it once the connection is
writable, and by then the server has mostly accepted it. The log goes to a file or to a pipe.

In each round all servers start again, pinned to one processor, and are loaded in turn from the others, a slice at a
time. A round's ratio is the median over its slices of the ratio to the slice next to it: that of the C baseline under
the same load, and that of the first server in the same column. A cell is the median of the rounds with the least and
the greatest in brackets. The same server given twice shows how far to trust it today.
"""

import argparse
import os
import pathlib
import shlex
import statistics
import subprocess
import tempfile

import bench
from bench import BASELINE, LOADS, SINKS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--slices", type=int, default=8, help="of a server in a round")
    parser.add_argument("--connections", type=int, default=1000, help="in a slice")
    parser.add_argument("--sink", choices=SINKS, help="for the log; both without it")
    parser.add_argument("--load", choices=LOADS, help="when a message is sent; both without it")
    parser.add_argument("servers", nargs="+", metavar="SERVER")
    arguments = parser.parse_args()
    loads = [arguments.load] if arguments.load else LOADS
    sinks = [arguments.sink] if arguments.sink else SINKS
    bench.build_tools()
    servers = dict(server(text) for text in arguments.servers)
    bench.prepare_machine()
    rounds = []
    for number in range(arguments.rounds):
        bench.say(f"round {number + 1} of {arguments.rounds}")
        cases = bench.cases(servers, loads, sinks)
        everything = {BASELINE: bench.SERVERS[BASELINE], **servers}
        rounds.append(bench.side_by_side(everything, cases, arguments.slices, arguments.connections))
    show(rounds, list(servers), [(load, sink) for load in loads for sink in sinks])


def server(text):
    """A server's name and command. It runs in another directory: paths become absolute."""
    name, separator, command = text.partition("=")
    if separator:
        return name, [os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(command)]
    if os.path.isdir(text):
        directory = bench.TARGET / "trees" / os.path.abspath(text).strip("/").replace("/", "-")
        build(pathlib.Path(text), directory)
    else:
        directory = build_commit(text)
    return text, [directory / "server"]


def build_commit(commit):
    """The directory with a commit's programs, which stays for the next time."""
    revision = bench.output("git", "-C", bench.ROOT, "rev-parse", "--verify", f"{commit}^{{commit}}")
    if not revision:
        bench.fail(f"{commit}: no commit, no directory, and no NAME=COMMAND")
    directory = bench.TARGET / "commits" / revision
    if not (directory / "server").exists():
        with tempfile.TemporaryDirectory() as source:
            archive = bench.run("git", "-C", bench.ROOT, "archive", revision, stdout=subprocess.PIPE).stdout
            bench.run("tar", "-x", "-C", source, input=archive)
            build(source, directory)
    return directory


def build(source, directory):
    if not bench.build_shipped(source, directory):
        bench.fail(f"{source}: not built; NAME=COMMAND takes a server that is")


def show(rounds, names, columns):
    first = names[0]
    rows = [("", [f"{load}/{sink}" for load, sink in columns])]
    for name in names:
        rows.append((f"{name}, × {BASELINE}", ratios(rounds, name, columns, None)))
    for name in names[1:]:
        rows.append((f"{name}, × {first}", ratios(rounds, name, columns, first)))
    for name in names:
        medians = [[statistics.median(turn[name, *column]) for turn in rounds] for column in columns]
        rows.append((f"{name}, µs", [cell(values, 2) for values in medians]))
    width = max(len(title) for title, _ in rows) + 2
    for title, cells in rows:
        print(f"{title:{width}}" + "".join(f"{text:22}" for text in cells).rstrip())


def ratios(rounds, name, columns, first):
    """A row of ratios to the first server, or to the baseline, which has no log."""
    row = []
    for load, sink in columns:
        base = (first, load, sink) if first else (BASELINE, load, "file")
        row.append(cell([bench.ratio(turn[name, load, sink], turn[base]) for turn in rounds], 3))
    return row


def cell(values, digits):
    return bench.spread({"": bench.summary(values)}, "", 1, digits)


if __name__ == "__main__":
    main()
