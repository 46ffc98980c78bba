"""The programs under comparison. Each is started once, and answers all cases."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[2]

set_hypothesis_home_dir(ROOT / "target" / "hypothesis")

# The same cases in every run. `--hypothesis-profile=long` looks further, and elsewhere each time.
settings.register_profile("default", derandomize=True, database=None, deadline=None, max_examples=1_000)
settings.register_profile("long", database=None, deadline=None, max_examples=100_000)
settings.load_profile("default")


def mutated(documents, tokens):
    """Documents with a token in place of at most three characters."""
    return st.builds(
        lambda text, at, cut, token: text[:at] + token + text[at + cut :],
        documents,
        st.integers(0, 80),
        st.integers(0, 3),
        st.sampled_from(tokens),
    )


class Parser:
    """A program that reads texts, each with the byte 0xff after it, and answers each with a line of JSON. It ends with
    its stdin."""

    def __init__(self, *command, **environment):
        environment = {**os.environ, **environment}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe)

    def __call__(self, text):
        """The answer: None if the program refuses the text."""
        self.process.stdin.write(text.encode() + b"\xff")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the parser ended on {text!r}"
        return json.loads(answer, strict=False)


@pytest.fixture(scope="session")
def ours():
    """Our parsers, by name."""
    command = ["cargo", "run", "--quiet", "--example", "parse"]
    return {name: Parser(*command, name) for name in ("ini", "yaml", "duration")}


@pytest.fixture(scope="session")
def go():
    """Go's readers, by name: its time package, and yaml.v3 as Debian packages it."""
    if not shutil.which("go"):
        pytest.fail("no Go compiler: install golang-go and golang-gopkg-yaml.v3-dev")
    command = ["go", "run", "tests/references/go/main.go"]
    paths = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    return {name: Parser(*command, name, **paths) for name in ("duration", "yaml")}
