#!/usr/bin/env python3
"""Draws docs/run.svg from a real run: make run in a terminal, Ctrl-C once each client has an echo, to the last line."""

import fcntl
import io
import os
import pathlib
import pty
import re
import signal
import struct
import sys
import termios

from rich.console import Console
from rich.text import Text

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = 3
COMMAND = ["make", "run", f"CLIENTS={CLIENTS}"]
ECHO = re.compile(r"client\d+ *\| .*receive_message \| result: success")
ROWS, COLUMNS = 50, 130
LIMIT = 60  # seconds


def record():
    """What a terminal shows of COMMAND."""
    signal.alarm(LIMIT)  # ends this process, and with it the terminal and who is on it
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        # As if typed, also where make has called this script.
        os.execvpe(COMMAND[0], COMMAND, {key: value for key, value in os.environ.items() if not key.startswith("MAKE")})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    output, interrupted = b"", False
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:  # what Linux says of a terminal that nobody has open any more
            break
        if not interrupted and len(ECHO.findall(output.decode(errors="ignore"))) >= CLIENTS:
            os.write(terminal, b"\x03")
            interrupted = True
    _, status = os.waitpid(pid, 0)
    # make ends by the signal too, once the programs have ended.
    if status not in (0, signal.SIGINT) or not interrupted:
        sys.exit(f"record.py: not the run that was to be shown, wait status {status}:\n{output.decode()}")
    return output.decode().replace("\r\n", "\n")


def draw(text):
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "green"), (" ".join(COMMAND), "bold")))
    console.print(Text.from_ansi(text.rstrip()))
    svg = console.export_svg(title="tp0", unique_id="run")
    # An image on a web page loads nothing else: the reader's own font serves.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    (ROOT / "docs/run.svg").write_text(draw(record()))
