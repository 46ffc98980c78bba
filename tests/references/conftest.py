"""The programs under comparison, built once a session and kept open for all cases."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

set_hypothesis_home_dir(ROOT / "target" / "hypothesis")

# The same cases in every run. `--hypothesis-profile=long` looks further, and elsewhere each time.
settings.register_profile(
    "default", derandomize=True, database=None, deadline=None, max_examples=1_000
)
settings.register_profile("long", database=None, deadline=None, max_examples=100_000)
settings.load_profile("default")


class Parser:
    """A program that reads length-prefixed texts and answers each with a line of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, text):
        data = text.encode()
        self.process.stdin.write(b"%d\n%s" % (len(data), data))
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the parser ended on {text!r}"
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture(scope="session")
def ours():
    """Our parsers, by name."""
    command = ["cargo", "build", "--quiet", "--message-format", "json", "--example", "parse"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    (program,) = [message["executable"] for message in messages if message.get("executable")]
    parsers = {name: Parser(program, name) for name in ("ini", "yaml", "duration")}
    yield parsers
    for parser in parsers.values():
        parser.close()


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    """Go's readers, by name: its time package, and yaml.v3 as Debian packages it."""
    if not shutil.which("go"):
        pytest.fail("no Go compiler: install golang-go and golang-gopkg-yaml.v3-dev")
    program = tmp_path_factory.mktemp("go") / "reference"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    command = ["go", "build", "-o", program, HERE / "go" / "main.go"]
    build = subprocess.run(command, check=False, env=environment, stderr=subprocess.PIPE, text=True)
    if build.returncode:
        pytest.fail(f"Go (Debian: golang-go, golang-gopkg-yaml.v3-dev) says:\n{build.stderr}")
    parsers = {name: Parser(program, name) for name in ("duration", "yaml")}
    yield parsers
    for parser in parsers.values():
        parser.close()


@pytest.fixture(scope="session")
def shipped():
    """A file of the repository as text."""
    return lambda path: (ROOT / path).read_text(encoding="utf-8")
