"""The few words the tests say to the engine and to a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NETWORK = "tp0_testing_net"
PORT = 12345
OURS = re.compile(r"server|client[0-9]+")

# A make that runs these tests must not change what another one prints in them.
for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(variable, None)


def run(*command, check=True, **options):
    """Runs a command and returns it with its output; a failure shows both its streams."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, **options
    )
    if check:
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def docker(*arguments, check=True):
    return run("docker", *arguments, check=check).stdout.strip()


def inspect(name):
    return json.loads(docker("inspect", name))[0]


def exited(name):
    return inspect(name)["State"]["Status"] == "exited"


def image_id(name):
    return docker("images", "--quiet", "--no-trunc", name)


def logs(name):
    """What a container has printed, whatever the stream."""
    done = run("docker", "logs", name)
    return done.stdout + done.stderr


def containers(every=True):
    """The names of the containers that are ours by name."""
    names = docker("ps", "--format", "{{.Names}}", *(["--all"] if every else [])).split()
    return sorted(name for name in names if OURS.fullmatch(name))


def networks():
    return docker("network", "ls", "--format", "{{.Name}}").split()


def remove_everything():
    for name in containers():
        docker("rm", "--force", name, check=False)
    if NETWORK in networks():
        docker("network", "rm", NETWORK, check=False)


def eventually(condition, what, seconds=60):
    """Polls until the condition holds; only its never holding fails a test."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} seconds: {what}"
        time.sleep(0.05)


def wait_for_clients(count):
    """Until each of them has ended."""
    names = [f"client{number}" for number in range(1, count + 1)]
    eventually(lambda: all(map(exited, names)), f"the clients have ended: {count}")


def exit_statuses(names, action):
    """The exit statuses of containers that the action ends, whether it removes them or not."""
    # Followed, for the engine keeps no more than its last 256 events.
    follow = ["docker", "events", "--since", now(), "--filter", "event=die"]
    follow += ["--format", "{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}"]
    statuses = {}
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as events:
        deadline = threading.Timer(60, events.kill)
        try:
            action()
            deadline.start()
            while not statuses.keys() >= set(names) and (line := events.stdout.readline()):
                name, status = line.split()
                if OURS.fullmatch(name):
                    statuses[name] = int(status)
        finally:
            deadline.cancel()
            events.kill()
    return statuses


def now():
    return f"{time.time():.9f}"


class Checkout:
    """A copy of the repository as the working tree has it, so that the tests may edit the settings."""

    gen = None  # a program that is built already, which spares each copy compiling it

    def __init__(self, directory):
        self.directory = directory
        listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, directory / name, follow_symlinks=False)
        if self.gen:
            release = directory / "target/release"
            release.mkdir(parents=True)
            shutil.copy(self.gen, release / "gen")

    def run(self, *command, check=True, **variables):
        return run(*command, check=check, cwd=self.directory, env={**os.environ, **variables})

    def make(self, *arguments, check=True, **variables):
        return self.run("make", *arguments, check=check, **variables)

    def refused(self, target, *words, **variables):
        """A target that fails with these words and changes nothing."""
        before = containers(), containers(every=False), networks()
        done = self.make(target, check=False, **variables)
        assert done.returncode != 0 and all(word in done.stderr for word in words), done.stderr
        assert (containers(), containers(every=False), networks()) == before

    def generate(self, clients):
        self.run("sh", "generar-compose.sh", "docker-compose-dev.yaml", clients)

    def compose(self, *arguments):
        v2 = run("docker", "compose", "version", check=False).returncode == 0
        command = ["docker", "compose"] if v2 else ["docker-compose"]
        return self.run(*command, "--file", "docker-compose-dev.yaml", *arguments)

    def edit(self, name, key, value):
        """Gives a key of a settings file another value."""
        file = self.directory / name
        text, count = re.subn(rf"(?m)^(\s*{key}\s*[=:]\s*).*$", rf"\g<1>{value}", file.read_text())
        assert count == 1, f"{name} has no {key} to edit, or several"
        file.write_text(text)

    def loop(self, amount, period):
        self.edit("client/config.yaml", "amount", amount)
        self.edit("client/config.yaml", "period", f'"{period}"')
