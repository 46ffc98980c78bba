"""results.svg out of the results: plot.py RESULTS.json [PNG]. Run by run.py with a Python that has matplotlib.

The colours of text and grid are variables, so that the picture suits a light page and a dark one.
"""

import json
import pathlib
import sys

import matplotlib
import matplotlib.ticker

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["yardstick", "ours", "tokio", "Go", "Python"]
OURS, PEER, YARDSTICK = "#e8590c", "#7c8da0", "#a8b3bf"
# Stand-ins while matplotlib draws, for it takes no variables.
TEXT, FAINT = "#010203", "#010204"
STYLE = """<style>
:root { --text: #1f2328; --faint: #d1d9e0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --faint: #3d444d; } }
</style>
"""


def panels(results):
    """Title, unit and bars of each; a bar is a median, a least and a greatest value."""
    cpu = {
        name.removesuffix(", file"): row["ratio"]
        for name, row in results["cpu"].items()
        if name.removesuffix(", file") in NAMES
    }
    yield "Server CPU a connection", "× the C yardstick, log to a file", cpu, "{:.2f} ×"
    held = {name: scaled(row["resident"], 1e6) for name, row in results["silent"].items()}
    title = f"Memory with {results['held']:,} silent connections"
    yield title, "MB resident", held, "{:.1f} MB"
    ready = {name: scaled(row, 1e3) for name, row in results["ready_us"].items()}
    yield "From exec to the first connection", "ms", ready, "{:.1f} ms"
    idle = {name: scaled(row, 1e6) for name, row in results["idle"].items()}
    yield "Memory of an idle server", "MB resident", idle, "{:.1f} MB"


def scaled(values, unit):
    return [value / unit for value in values]


def draw(results):
    plt.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "results",
            "font.size": 10,
            "text.color": TEXT,
            "axes.labelcolor": TEXT,
            "xtick.color": TEXT,
            "ytick.color": TEXT,
        }
    )
    figure, axes = plt.subplots(2, 2, figsize=(9.6, 5.2), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12)
    names = [name for name in NAMES if name in results["servers"]]
    for axis, contents in zip(axes.flat, panels(results)):
        panel(axis, names, *contents)
    return figure


def panel(axis, names, title, unit, bars, label):
    place = {"textcoords": "offset points", "va": "center"}
    colours = [{"ours": OURS, "yardstick": YARDSTICK}.get(name, PEER) for name in names]
    axis.barh(names, [bars.get(name, [0])[0] for name in names], color=colours, height=0.62)
    for row, name in enumerate(names):
        if name not in bars:
            axis.annotate("serves one peer at a time", (0, row), xytext=(5, 0), **place)
            continue
        median, low, high = bars[name]
        if high > low:
            axis.plot([low, high], [row, row], color=TEXT, linewidth=1)
        axis.annotate(
            label.format(median),
            (high, row),
            xytext=(5, 0),
            **place,
            weight="bold" if name == "ours" else "normal",
        )
    axis.set_title(f"{title}\n", loc="left", fontsize=11, weight="bold")
    axis.text(0, 1.03, unit, transform=axis.transAxes, fontsize=9)
    axis.set_xlim(0, 1.25 * max(bar[2] for bar in bars.values()))
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
    axis.invert_yaxis()
    axis.grid(axis="x", color=FAINT, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def main():
    results = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    file = HERE / "results.svg"
    draw(results).savefig(file, transparent=True, metadata={"Date": None, "Creator": None})
    svg = file.read_text(encoding="utf-8")
    svg = svg.replace(TEXT, "var(--text)").replace(FAINT, "var(--faint)")
    svg = svg.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    head, start, rest = svg.partition(" <defs>")
    file.write_text(head + STYLE + start + rest, encoding="utf-8")


if __name__ == "__main__":
    main()
