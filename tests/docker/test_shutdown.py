import pytest
from engine import NETWORK, containers, docker, eventually, exit_statuses, inspect, logs, networks

CLOSED = ["action: shutdown | result: in_progress | signal: SIGTERM", "action: shutdown | result: success"]
ALL = {"server": 0, "client1": 0, "client2": 0}


@pytest.fixture
def running(checkout):
    """Two clients that have sent their first message and now sleep for an hour."""
    checkout.loop(amount=2, period="1h")
    checkout.generate(2)
    checkout.make("docker-compose-up")
    for number in [1, 2]:
        eventually(lambda: f"[CLIENT {number}] Message N°1" in logs(f"client{number}"), "the first echo")
    return checkout


@pytest.mark.parametrize("name", ["client1", "server"])
def test_sigterm_ends_it_gracefully(running, name):
    docker("stop", name)
    assert inspect(name)["State"]["ExitCode"] == 0, logs(name)
    for line in CLOSED:
        assert line in logs(name)
    others = {"server", "client1", "client2"} - {name}
    assert set(containers(every=False)) == others


def test_the_server_says_that_it_closed_its_listener(running):
    docker("stop", "server")
    assert "action: close_listener | result: success" in logs("server")


def test_compose_stop_ends_all_within_a_second(running):
    running.compose("stop", "-t", "1")
    for name in containers():
        assert inspect(name)["State"]["ExitCode"] == 0, logs(name)


def test_down_ends_all_gracefully_and_leaves_nothing(running):
    assert exit_statuses(ALL, lambda: running.make("docker-compose-down")) == ALL
    assert containers() == [] and NETWORK not in networks()


def test_down_includes_what_a_larger_file_started(running):
    running.generate(1)
    assert exit_statuses(ALL, lambda: running.make("docker-compose-down")) == ALL
    assert containers() == [] and NETWORK not in networks()


def test_down_of_nothing_is_no_error(checkout):
    checkout.generate(1)
    checkout.make("docker-compose-down")
    assert containers() == []
