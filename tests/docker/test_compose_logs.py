"""make docker-compose-logs: of what runs, of what has ended, of nothing."""

import subprocess
import threading

from engine import docker, wait_for_clients


def test_logs_come_from_every_container(short):
    short.make("docker-compose-up", "CLIENTS=2")
    wait_for_clients(2)
    docker("stop", "server")
    done = short.run("timeout", 120, "make", "docker-compose-logs")  # Compose 2.40 follows for ever
    assert "[CLIENT 1] Message N°1" in done.stdout and "client_id: 2" in done.stdout
    assert "\033[3" not in done.stdout, "colours, but not on a terminal"


def test_logs_follow_what_runs_and_end_with_it(short):
    short.make("docker-compose-up", "CLIENTS=1")
    wait_for_clients(1)
    command = ["make", "docker-compose-logs"]
    with subprocess.Popen(command, cwd=short.directory, stdout=subprocess.PIPE, text=True) as following:
        deadline = threading.Timer(60, following.kill)
        deadline.start()
        while "action: accept_connections" not in following.stdout.readline():
            assert following.poll() is None
        docker("stop", "server")
        assert "action: shutdown | result: success" in following.stdout.read()
        deadline.cancel()


def test_logs_of_nothing_end(checkout):
    assert checkout.refused("docker-compose-logs", "docker-compose-dev.yaml: no such file")
    checkout.generate(1)
    assert checkout.make("docker-compose-logs").stderr == "nothing has been started: make docker-compose-up\n"
