"""RESULTS.md out of the results."""

import datetime
import platform

from machine import LOAD_CPUS, SERVER_CPU
from measure import HERE, IN_FLIGHT
from scaling import PROCESSORS, TWO_WORKERS_LOAD

MB, MS = 1e6, 1e3
SERVERS = ["yardstick", "ours", "tokio", "Go", "Python"]
CLIENTS = ["yardstick", "ours", "Go"]
PROGRAMS = {"ours": "server", "tokio": "echo-tokio", "Go": "go-server"}
CLIENT_PROGRAMS = {"ours": "client", "Go": "go-client"}


def write(results):
    (HERE / "RESULTS.md").write_text("\n".join(page(results)) + "\n", encoding="utf-8")


def page(results):
    servers = [name for name in SERVERS if name in results["servers"]]
    held = f"{results['held']:,} silent connections"
    yield from [
        "# Results",
        "",
        f"Written by `bench/run.py` on {datetime.date.today()}. [README.md](README.md) tells what is",
        "compared and how, and what it does not say. The ratios are the point: the absolute figures are",
        f"those of one machine at one time. Each is the median of {results['rounds']} rounds, with the least",
        "and the greatest in brackets.",
        "",
        "![Server CPU a connection, memory with silent connections held, start, idle memory](results.svg)",
        "",
    ]
    yield from table("Targets", "", ["", "target", "measured", ""], targets(results, held))
    yield from table(
        "CPU a connection",
        f"{IN_FLIGHT} connections in flight, a message of about 24 bytes and three log lines each (the\n"
        "yardsticks: none). A late message is sent once the connection is established, as over a network. A sleep\n"
        "is a wait for the load; packets are those of both sides.",
        ["server", "× the yardstick", "log to a pipe", "late", "µs", "log to a pipe", "late", "sleeps", "packets"],
        (cpu_row(results["cpu"], name) for name in ["yardstick", "one packet", *servers[1:]]),
    )
    yield from table(
        "System calls and instructions a connection",
        f"System calls with {IN_FLIGHT} in flight and with one; instructions in user space (valgrind\ncannot run every runtime).",
        ["server", "calls", "with one", "instructions", f"calls by name, with {IN_FLIGHT}"],
        (calls_row(results, name) for name in servers),
    )
    yield from table(
        held[0].upper() + held[1:] + " held",
        "The servers that take one connection after the other serve nobody meanwhile.",
        ["server", "resident, MB", "bytes a connection", "throughput, × that without", "p99, × that without"],
        (silent_row(results["silent"], name) for name in servers if name in results["silent"]),
    )
    yield from table(
        "A message in pieces",
        "Three pieces, 2 ms apart.",
        ["server", "echoes"],
        ([name, results["split"][name]] for name in servers),
    )
    yield from table(
        "Start, memory, size",
        "",
        ["server", "exec to ready, ms", "resident while idle, MB", "program, MB"],
        (start_row(results, name) for name in servers),
    )
    yield from table(
        "The client, for a message",
        "One after the other without a pause, to the yardstick.",
        ["client", "CPU, × the Go client's", "CPU, µs", "packets", "calls", "resident, MB", "program, MB"],
        (client_row(results, name) for name in CLIENTS if name in results["client"]),
    )
    yield from scaling(results)
    yield from ["## Where", ""]
    yield f"- {machine()}, Linux {platform.release()}"
    yield f"- servers on processor {numbers(SERVER_CPU)}, load on {numbers(LOAD_CPUS)}"
    yield f"- ours: {results['kind']}"
    for name, version in results["versions"].items():
        yield f"- {name}: {version}"


def scaling(results):
    yield from table(
        "Two workers",
        f"The same load as above, from processor {numbers(TWO_WORKERS_LOAD)}, the workers on {numbers(PROCESSORS[-2:])}. Such a load cannot keep\n"
        "two workers busy: what can be seen here is what a connection costs.",
        ["workers", "CPU, × one worker's", "CPU, µs", "sleeps", "connections a second", "p99, µs"],
        (
            [
                count,
                *(spread(row[key]) for key in ("cpu_us_ratio", "cpu_us", "sleeps")),
                *(f"{row[key][0]:,.0f}" for key in ("per_second", "p99_us")),
            ]
            for count, row in results["workers"].items()
        ),
    )
    if not results["queue"]:
        return
    yield from table(
        "A full queue",
        "Thousands a second. \"Served\": our server finds its queue full of connections with their messages on\n"
        "them, a processor for each worker, and the load asleep. \"Accepted\" does nothing but accept, as many\n"
        "threads from one queue that they share, and from a queue each (SO_REUSEPORT).",
        ["workers", "served", "× one", "accepted, one queue", "× one", "accepted, a queue each", "× one"],
        (
            [
                count,
                *(
                    spread(row[f"{key}{kind}"], unit)
                    for key in ("served", "one", "each")
                    for kind, unit in (("", 1e3), ("_ratio", 1))
                ),
            ]
            for count, row in results["queue"].items()
        ),
    )


def targets(results, held):
    cpu, silent, client = results["cpu"], results["silent"]["ours"], results["client"]["ours"]
    size = sum(results["sizes"][name] for name in ("server", "client", "gen"))
    yardstick, without = "× the yardstick", "× that without"
    yield target("server: CPU a connection, log to a file", cpu["ours, file"]["ratio"], 1, 1.25, yardstick)
    yield target("server: CPU a connection, log to a pipe", cpu["ours, pipe"]["ratio"], 1, 1.25, yardstick)
    yield target("server: CPU a connection, late messages", cpu["ours, late"]["ratio"], 1, 1.35, yardstick)
    yield target(f"server: resident with {held}", silent["resident"], MB, 2, "MB")
    yield target(f"server: throughput with {held}", silent["rate"], 1, 0.9, without, at_least=True)
    yield target(f"server: p99 with {held}", silent["p99"], 1, 2, without)
    yield target("server: resident while idle", results["idle"]["ours"], MB, 1, "MB")
    yield target("server: exec to ready", results["ready_us"]["ours"], MS, 2, "ms")
    if "ratio" in client:
        yield target("client: CPU a message", client["ratio"], 1, 0.6, "× the Go client's")
    yield target("client: resident", client["resident"], MB, 1, "MB")
    yield target("the three programs", [size] * 3, MB, 0.8, "MB")
    yield target("`gen 1000`", results["gen_us"], MS, 5, "ms")


def target(what, values, unit, limit, meaning, at_least=False):
    median = values[0] / unit
    met = median >= limit if at_least else median <= limit
    sign = "≥" if at_least else "≤"
    return [what, f"{sign} {limit} {meaning}", spread(values, unit), "met" if met else "**missed**"]


def cpu_row(cpu, name):
    first = cpu.get(name) or cpu[f"{name}, file"]
    cases = [first, cpu.get(f"{name}, pipe"), cpu.get(f"{name}, late")]
    return [
        "yardstick, one packet" if name == "one packet" else name,
        *(spread(figures[key]) if figures else "" for key in ("ratio", "cpu_us") for figures in cases),
        *(f"{first[key][0]:.2f}" for key in ("sleeps", "segments")),
    ]


def calls_row(results, name):
    many, one = (results["calls"].get(name, {}).get(str(count), {}) for count in (IN_FLIGHT, 1))
    instructions = results["instructions"].get(name)
    often = sorted(many.items(), key=lambda item: -item[1])
    return [
        name,
        f"{sum(many.values()):.2f}" if many else "",
        f"{sum(one.values()):.2f}" if one else "",
        f"{instructions:,.0f}" if instructions else "",
        ", ".join(f"{call} {count:.2f}" for call, count in often if count >= 0.01),
    ]


def silent_row(silent, name):
    figures = silent[name]
    each = f"{figures['each'][0]:,.0f}"
    return [name, spread(figures["resident"], MB), each, spread(figures["rate"]), spread(figures["p99"])]


def start_row(results, name):
    ready, idle = spread(results["ready_us"][name], MS), spread(results["idle"][name], MB)
    return [name, ready, idle, size(results, PROGRAMS.get(name))]


def client_row(results, name):
    figures = results["client"][name]
    return [
        name,
        spread(figures["ratio"]) if "ratio" in figures else "",
        spread(figures["cpu_us"]),
        f"{figures['segments'][0]:.2f}",
        f"{figures['calls']:.2f}" if "calls" in figures else "",
        spread(figures["resident"], MB),
        size(results, CLIENT_PROGRAMS.get(name)),
    ]


def size(results, program):
    return f"{results['sizes'][program] / MB:.2f}" if program in results["sizes"] else ""


def table(title, text, head, rows):
    yield from [f"## {title}", ""]
    if text:
        yield from [text, ""]
    yield from [line(head), "|" + "---|" * len(head), *map(line, rows), ""]


def line(cells):
    return f"| {' | '.join(map(str, cells))} |"


def spread(values, unit=1):
    """Median, least and greatest."""
    median, low, high = (f"{value / unit:,.2f}" for value in values)
    return f"{median} ({low}–{high})" if low != high else median


def numbers(cpus):
    return ", ".join(map(str, cpus))


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else platform.machine()
