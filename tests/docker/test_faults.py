"""What happens to a container at a bad moment, and that ours survive it."""

import re
import time
from ipaddress import ip_network

import pytest
from engine import (
    NETWORK,
    PORT,
    containers,
    docker,
    eventually,
    exit_statuses,
    exited,
    inspect,
    logs,
    networks,
    wait_for_clients,
)

RETRY = "action: connect | result: in_progress"
ECHO = re.compile(r"receive_message \| result: success \| client_id: \d+ \| msg: \[CLIENT \d+\] Message N°(\d+)\n")


def all_say(text, names):
    return all(text in logs(name) for name in names)


def test_a_server_that_is_gone_for_a_while_costs_no_message(checkout):
    """Killed, cut from the network, and restarted with other settings."""
    checkout.loop(amount=60, period="100ms")
    checkout.generate(3)
    checkout.compose("up", "--detach")
    clients = ["client1", "client2", "client3"]
    eventually(lambda: all_say("Message N°1\n", clients), "every client has an echo")
    for gone, back in [(["kill"], ["start"]), (["network", "disconnect", NETWORK], ["network", "connect", NETWORK])]:
        missed = [logs(name).count(RETRY) for name in clients]
        docker(*gone, "server")
        eventually(lambda: all(logs(n).count(RETRY) > m for n, m in zip(clients, missed)), "every client misses it")
        docker(*back, "server")
    checkout.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 77)
    checkout.compose("restart", "server")
    assert not any(map(exited, clients))
    eventually(lambda: "listen_backlog: 77" in logs("server"), "the edit takes effect")
    wait_for_clients(3)
    for name in clients:
        assert inspect(name)["State"]["ExitCode"] == 0, logs(name)
        assert ECHO.findall(logs(name)) == [str(number) for number in range(1, 61)], logs(name)
        assert "action: loop_finished | result: success" in logs(name)


def test_forty_clients_at_once(checkout, tell):
    """They sleep until they are stopped: where many end by themselves at the same moment, an engine can hang
    (moby/moby issue 46661) or never remove their network (42119).
    """
    checkout.loop(amount=2, period="1h")
    begin = time.monotonic()
    checkout.make("docker-compose-up", "CLIENTS=40")
    started = time.monotonic() - begin
    clients = [f"client{number}" for number in range(1, 41)]
    eventually(lambda: all_say("Message N°1\n", clients), "every client has its echo", seconds=120)
    assert logs("server").count("receive_message | result: success") == 40
    graceful = dict.fromkeys(["server", *clients], 0)
    begin = time.monotonic()
    assert exit_statuses(graceful, lambda: checkout.make("docker-compose-down")) == graceful
    tell(f"40 clients are up in {started:.1f} s, down in {time.monotonic() - begin:.1f} s")
    assert containers() == [] and NETWORK not in networks()


@pytest.fixture
def without_resolver(network):
    """A client whose resolver never answers: the engine drops what goes from one of its bridges to another."""
    subnet = inspect(NETWORK)["IPAM"]["Config"][0]["Subnet"]
    resolver = ip_network(subnet)[-2]  # nobody has this address: the engine gives out the lowest ones first
    settings = {
        "CLI_ID": 1,
        "CLI_SERVER_ADDRESS": f"server:{PORT}",
        "CLI_LOOP_AMOUNT": 1,
        "CLI_LOOP_PERIOD": "0s",
        "CLI_LOG_LEVEL": "INFO",
    }

    def start(timeout):
        variables = [f"--env={key}={value}" for key, value in {**settings, "CLI_SERVER_TIMEOUT": timeout}.items()]
        options = ["--detach", "--name", "client1", "--dns", resolver, "--entrypoint", "/client"]
        docker("run", *options, *variables, "client:latest")

    return start


def test_a_resolver_that_never_answers(without_resolver):
    """The image's C library has a resolver of its own, which the tests of cargo do not run."""
    without_resolver(timeout="1500ms")
    eventually(lambda: exited("client1"), "the client gives up")
    assert inspect("client1")["State"]["ExitCode"] == 1
    assert "given up after 1.5s: server: no answer from the resolver" in logs("client1")


def test_sigterm_while_no_resolver_answers(without_resolver):
    without_resolver(timeout="1h")
    eventually(lambda: "action: config" in logs("client1"), "the client has begun")
    docker("stop", "--time", "3", "client1")  # a resolver takes five seconds
    assert inspect("client1")["State"]["ExitCode"] == 0, logs("client1")
    assert "action: close_resolver | result: success" in logs("client1")
