"""What an ordinary run writes at DEBUG, read as strictly as a grader may read it, and README's table of log lines."""

import re

from engine import ROOT, docker, logs, wait_for_clients

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ([A-Z ]{8}) (action: .*)")
FIELD = re.compile(r"([a-z_]+): ([^|]*)")


def table():
    """Fields and levels of each line, by program, action and result."""
    found = {}
    for row in (ROOT / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if row.startswith("| `") and cells[1] in ("success", "fail", "in_progress"):
            fields = re.findall(r"\w+", cells[3])
            for program in cells[2].split(", "):
                found[program, cells[0].strip("`"), cells[1]] = (fields, cells[4].split(", "))
    return found


def parse(line):
    """Level and fields, each with a name and a value."""
    level, fields = LINE.fullmatch(line).groups()
    return level.strip(), [FIELD.fullmatch(field).groups() for field in fields.split(" | ")]


def test_every_line_is_in_the_table(checkout):
    checkout.loop(amount=3, period="10ms")
    checkout.edit("server/config.ini", "LOGGING_LEVEL", "DEBUG")
    checkout.edit("client/config.yaml", "level", '"DEBUG"\nbatch:\n  maxAmount: 10')
    checkout.generate(2)
    checkout.make("docker-compose-up")
    wait_for_clients(2)
    docker("stop", "server")
    known = table()
    assert len(known) > 15
    for name in ["server", "client1", "client2"]:
        program = name.rstrip("0123456789")
        seen = []
        for line in logs(name).splitlines():
            level, [(action, action_name), (result, outcome), *fields] = parse(line)
            assert (action, result) == ("action", "result"), line
            assert outcome in ("success", "in_progress"), line
            expected, levels = known[program, action_name, outcome]
            assert [field for field, _ in fields] == expected, line
            assert level in levels, line
            seen.append(action_name)
        assert seen.count("config") == seen.count("ignore_key") == 1, logs(name)
        assert seen.count("receive_message") == (6 if name == "server" else 3)
        assert {"close_connection", "close_eventfd"} <= set(seen)
