"""validar-echo-server.sh with the real netcat on a real network. tests/scripts has all that a server may answer."""

import platform
import signal
import subprocess

import pytest
from engine import NETWORK, PORT, docker, eventually

RESULTS = {0: "action: test_echo_server | result: success\n", 1: "action: test_echo_server | result: fail\n"}


def start(*command, name="server"):
    docker("run", "--detach", "--name", name, "--network", NETWORK, *command)


def mock(script):
    """A server whose every connection is one run of a script, its standard streams the connection."""
    start("busybox", "sh", "-c", f'while :; do nc -l -p {PORT} -e sh -c "$0"; done', script)
    eventually(lambda: f":{PORT} " in docker("exec", "server", "netstat", "-ltn"), "the mock listens")


def leftovers():
    return docker("ps", "--all", "--quiet", "--filter", "name=validar-echo-server")


def validate(checkout, **variables):
    """Whether it succeeds, and why not."""
    done = checkout.run("sh", "validar-echo-server.sh", check=False, **variables)
    assert leftovers() == ""
    assert done.stdout == RESULTS[done.returncode]
    return done.returncode == 0, done.stderr


def test_our_server_passes(checkout, network):
    settings = [f"--env=SERVER_PORT={PORT}", "--env=SERVER_LISTEN_BACKLOG=5", "--env=LOGGING_LEVEL=INFO"]
    start(*settings, "--entrypoint", "/server", "server:latest")
    assert validate(checkout) == (True, "")
    # Docker knows a processor by several names.
    assert validate(checkout, DOCKER_DEFAULT_PLATFORM=f"linux/{platform.machine()}") == (True, "")


@pytest.mark.parametrize(
    "script, reason",
    [
        ('read -r line; echo "$line"; sleep 60', ""),  # it leaves the connection open
        ("exec sleep 60", "sent nothing back within 5 seconds"),
        ("read -r line", "closed the connection"),
    ],
)
def test_the_ends_of_a_connection(checkout, network, script, reason):
    mock(script)
    success, said = validate(checkout)
    assert success == (reason == "") and reason in said


def test_says_what_is_missing(checkout, network):
    assert "bad address 'server'" in validate(checkout)[1]
    start("busybox", "sleep", "60")
    assert "refused" in validate(checkout)[1]
    docker("rm", "--force", "server")
    docker("network", "rm", NETWORK)
    said = validate(checkout)[1]
    assert f"network {NETWORK} not found" in said and "make docker-compose-up" in said


@pytest.mark.parametrize("by, late", [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_interrupted_it_cleans_up(checkout, network, by, late):
    """Also before its container runs."""
    mock("exec sleep 60")
    command = ["sh", checkout.directory / "validar-echo-server.sh"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        running = lambda: docker("ps", "--quiet", "--filter", "name=validar-echo-server")
        eventually(running if late else leftovers, "the validator's container is there")
        script.send_signal(by)
        stdout, stderr = script.communicate(timeout=60)
    assert (script.returncode, stdout) == (1, RESULTS[1]) and "interrupted" in stderr
    assert leftovers() == ""
