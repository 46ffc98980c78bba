"""make docker-compose-logs and make docker-compose-down. With either Compose."""

import os
import shutil
import signal
import subprocess
import threading

import pytest
from engine import (
    NETWORK,
    Checkout,
    containers,
    docker,
    eventually,
    exit_statuses,
    inspect,
    logs,
    networks,
    wait_for_clients,
)

pytestmark = pytest.mark.compose


@pytest.fixture
def stranger(images):
    """Runs a container that no name of ours gives away to remove_everything."""
    names = []

    def start(name, *options):
        names.append(name)
        docker("run", "--detach", "--name", name, *options, "busybox", "sleep", "3600")

    yield start
    for name in names:
        docker("rm", "--force", name, check=False)


def test_logs_print_what_has_ended_and_follow_what_runs(short):
    short.generate(2)
    assert "action" not in short.make("docker-compose-logs").stdout
    short.compose("up", "--detach")
    wait_for_clients(2)
    command = ["make", "docker-compose-logs"]
    with subprocess.Popen(command, cwd=short.directory, stdout=subprocess.PIPE, text=True) as following:
        deadline = threading.Timer(60, following.kill)
        deadline.start()
        lines = []
        while not lines or "server" not in lines[-1] or "action: accept_connections" not in lines[-1]:
            lines.append(following.stdout.readline())
            assert following.poll() is None, lines
        seen = "".join(lines)
        assert "msg: [CLIENT 1] Message N°1" in seen and "loop_finished | result: success | client_id: 2" in seen
        docker("stop", "server")
        assert "action: shutdown | result: success" in following.stdout.read()
        deadline.cancel()
    done = short.run("timeout", 60, "make", "docker-compose-logs")  # Compose 2.40 would follow for ever
    assert "[CLIENT 1] Message N°1" in done.stdout and "action: accept_connections" in done.stdout
    assert "\033[3" not in done.stdout, "colours, but not on a terminal"


@pytest.mark.parametrize("command", [["docker-compose"], ["docker", "compose"]])
def test_down_ends_what_any_compose_started_from_any_file(long, tmp_path, command):
    """Gracefully, from a directory that need not be there any more, and touches nothing else."""
    if not shutil.which(command[0]) or Checkout.run(long, *command, "version", check=False).returncode != 0:
        pytest.skip(f"there is no {' '.join(command)}")
    elsewhere = Checkout(tmp_path / "else where")
    elsewhere.loop(amount=2, period="1h")
    elsewhere.run("sh", "generar-compose.sh", "out", 2)
    elsewhere.run(*command, "--file", "out", "up", "-d")
    shutil.rmtree(elsewhere.directory)
    names = ["server", "client1", "client2"]
    for name in names:
        eventually(lambda: "action: config" in logs(name), f"{name} has begun")
    done = []
    assert exit_statuses(names, lambda: done.append(long.make("docker-compose-down"))) == dict.fromkeys(names, 0)
    assert done[0].stdout == "stopping and removing containers: 3\nnothing is left\n"
    assert containers() == [] and NETWORK not in networks()


def test_down_touches_nothing_else(long, stranger):
    stranger("tp0-test-elsewhere", "--network", "none", "--label", "com.docker.compose.project=acheckout")
    long.generate(1)
    long.compose("up", "--detach")
    stranger("tp0-test-guest", "--network", NETWORK)
    done = long.make("docker-compose-down", check=False)
    assert done.returncode != 0 and containers() == []
    assert "has active endpoints" in done.stderr and f"docker network inspect {NETWORK}" in done.stderr
    for name in ["tp0-test-elsewhere", "tp0-test-guest"]:
        assert inspect(name)["State"]["Running"]
    docker("rm", "--force", "tp0-test-guest")
    assert long.make("docker-compose-down").stdout == "nothing is left\n"
    assert NETWORK not in networks()
    docker("network", "create", NETWORK)  # by hand, so it is not Compose's
    assert long.make("docker-compose-down").stdout == "nothing is left\n"
    assert NETWORK in networks() and inspect("tp0-test-elsewhere")["State"]["Running"]


def test_an_interrupted_up_names_the_next_step(long):
    """Ctrl-C reaches every process of the terminal's group."""
    command = ["make", "docker-compose-up", "CLIENTS=2"]
    options = {"cwd": long.directory, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **options) as up:
        eventually(containers, "something has started")
        os.killpg(up.pid, signal.SIGINT)
        _, said = up.communicate(timeout=60)
    assert "docker-compose-up: interrupted: run make docker-compose-down, then" in said and up.returncode != 0, said
    long.make("docker-compose-up")
    assert containers(every=False) == ["client1", "client2", "server"]


def test_compose_stop_ends_all_gracefully_within_a_second(long):
    long.generate(2)
    long.compose("up", "--detach")
    for number in [1, 2]:
        eventually(lambda: f"[CLIENT {number}] Message N°1" in logs(f"client{number}"), "the first echo")
    docker("stop", "client1")
    assert containers(every=False) == ["client2", "server"]
    long.compose("stop", "-t", "1")
    for name in containers():
        assert inspect(name)["State"]["ExitCode"] == 0, logs(name)
        assert "action: shutdown | result: in_progress | signal: SIGTERM" in logs(name)
        assert "action: shutdown | result: success" in logs(name)
    assert "action: close_listener | result: success" in logs("server")
