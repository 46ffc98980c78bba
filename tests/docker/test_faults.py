"""What engines, networks and kernels do to a container at a bad moment, and that ours survive it."""

import re
import resource
import socket
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
    inspect,
    ip,
    logs,
    networks,
)

SERVER = {"SERVER_PORT": PORT, "SERVER_LISTEN_BACKLOG": 128, "LOGGING_LEVEL": "INFO"}
CLIENT = {
    "CLI_ID": 1,
    "CLI_SERVER_ADDRESS": f"server:{PORT}",
    "CLI_SERVER_TIMEOUT": "2s",
    "CLI_LOOP_AMOUNT": 1,
    "CLI_LOOP_PERIOD": "0s",
    "CLI_LOG_LEVEL": "INFO",
}
RETRY = "action: connect | result: in_progress"
ECHO = re.compile(r"receive_message \| result: success \| client_id: \d+ \| msg: \[CLIENT \d+\] Message N°(\d+)\n")


def start(name, *options, **settings):
    """Runs a program without Compose, its settings in the environment."""
    program = name.rstrip("0123456789")
    settings = {**(SERVER if program == "server" else CLIENT), **settings}
    variables = [f"--env={key}={value}" for key, value in settings.items()]
    docker("run", "--detach", "--name", name, *options, *variables, "--entrypoint", f"/{program}", f"{program}:latest")


def states(names):
    """Whether each has ended, and its exit status."""
    lines = docker("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", *names).splitlines()
    return [(status == "exited", int(code)) for status, code in map(str.split, lines)]


def ended(*names):
    return all(over for over, _ in states(names))


def finish(*names, messages, seconds=60):
    """Each client ends with status 0 and has every echo once and in order."""
    eventually(lambda: ended(*names), f"{names} have ended", seconds)
    for name, (_, status) in zip(names, states(names), strict=True):
        assert status == 0, logs(name)
        assert ECHO.findall(logs(name)) == [str(number) for number in range(1, messages + 1)], logs(name)
        assert "action: loop_finished | result: success" in logs(name)


def all_say(text, names):
    return all(text in logs(name) for name in names)


def up(checkout, clients, messages, period):
    """Starts a system whose clients have all begun, and answers their names."""
    checkout.loop(messages, period)
    checkout.generate(clients)
    checkout.compose("up", "--detach")
    names = [f"client{number}" for number in range(1, clients + 1)]
    eventually(lambda: all_say("Message N°1\n", names), "every client has an echo")
    return names


def unused_address():
    """One on our network that no container has: the engine hands them out from the lowest."""
    return str(ip_network(inspect(NETWORK)["IPAM"]["Config"][0]["Subnet"])[-2])


def duration(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def test_a_server_that_is_gone_for_a_while_costs_no_message(checkout):
    """Killed, cut from the network, and restarted with other settings."""
    clients = up(checkout, 3, messages=60, period="100ms")
    for gone, back in [(["kill"], ["start"]), (["network", "disconnect", NETWORK], ["network", "connect", NETWORK])]:
        missed = [logs(name).count(RETRY) for name in clients]
        docker(*gone, "server")
        eventually(lambda: all(logs(n).count(RETRY) > m for n, m in zip(clients, missed)), "every client misses it")
        docker(*back, "server")
    checkout.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 77)
    checkout.compose("restart", "server")
    assert not any(over for over, _ in states(clients))
    eventually(lambda: "listen_backlog: 77" in logs("server"), "the edit takes effect")
    finish(*clients, messages=60)


def test_a_client_is_cut_while_it_waits_for_its_echo(checkout):
    """Nothing tells it: the kernel of a paused server took the message, and then no packet comes any more."""
    clients = up(checkout, 1, messages=40, period="100ms")
    docker("pause", "server")
    docker("network", "disconnect", NETWORK, "client1")
    eventually(lambda: RETRY in logs("client1"), "the client takes the path for dead")
    docker("unpause", "server")
    docker("network", "connect", NETWORK, "client1")
    finish(*clients, messages=40)


def test_forty_clients_at_once(checkout, capsys):
    """They sleep until they are stopped: where many end by themselves at the same moment, an engine can hang
    (moby/moby issue 46661) or never remove their network (42119).
    """
    checkout.loop(amount=2, period="1h")
    started = duration(lambda: checkout.run("timeout", 300, "make", "docker-compose-up", "CLIENTS=40"))
    clients = [f"client{number}" for number in range(1, 41)]
    eventually(lambda: all_say("Message N°1\n", clients), "every client has its echo", seconds=120)
    assert logs("server").count("receive_message | result: success") == 40
    graceful = dict.fromkeys(["server", *clients], 0)
    begin = time.monotonic()
    assert exit_statuses(graceful, lambda: checkout.run("timeout", 300, "make", "docker-compose-down")) == graceful
    stopped = time.monotonic() - begin
    assert containers() == [] and NETWORK not in networks()
    with capsys.disabled():
        print(f"\n40 clients are up in {started:.1f} s, down in {stopped:.1f} s", end="")


def test_a_tenth_of_a_processor(network):
    start("server", "--network", NETWORK, "--cpus", "0.1")
    clients = [f"client{number}" for number in range(1, 6)]
    for number, name in enumerate(clients, 1):
        start(name, "--network", NETWORK, CLI_ID=number, CLI_SERVER_TIMEOUT="30s", CLI_LOOP_AMOUNT=50)
    finish(*clients, messages=50)
    docker("stop", "server")
    assert states(["server"]) == [(True, 0)], logs("server")


def test_2000_silent_connections_in_32_megabytes(network, capsys):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    start("server", "--network", NETWORK, "--memory", "32m")
    address = (ip("server"), PORT)
    eventually(lambda: "accept_connections | result: in_progress" in logs("server"), "the server listens")
    silent = [socket.create_connection(address, timeout=10) for _ in range(2000)]
    eventually(lambda: logs("server").count("accept_connections | result: success") == 2000, "all are accepted")

    def exchange():
        with socket.create_connection(address, timeout=10) as peer:
            peer.sendall(b"a message\n")
            assert peer.makefile("rb").read() == b"a message\n"

    exchange()  # long before the 60 seconds of the silent ones are up
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", "server")
    with capsys.disabled():
        print(f"\n2000 silent connections: {used}", end="")
    docker("stop", "server")
    state = inspect("server")["State"]
    assert state["ExitCode"] == 0 and not state["OOMKilled"], logs("server")[-1000:]
    assert logs("server").count("action: close_connection | result: success") == 2000
    for peer in silent:
        peer.close()


@pytest.mark.parametrize("name", ["server", "client1"])
def test_sigterm_in_the_first_milliseconds(network, name):
    """Before its handlers are in, a container's first process ignores the signal, and the engine kills it."""
    start(name, "--network", "none", CLI_LOOP_PERIOD="1h", CLI_SERVER_TIMEOUT="1h")
    docker("stop", name)
    for count in range(10):
        docker("start", name)
        docker("stop", name)
        assert states([name]) == [(True, 0)], f"start {count}: {logs(name)}"
    assert logs(name).count("action: shutdown | result: success") == 11


@pytest.fixture
def unanswered(network):
    """A client whose resolver never answers: the engine drops what goes from one of its bridges to another."""
    options = ["--network", "bridge", "--dns", unused_address()]
    return lambda timeout: start("client1", *options, CLI_SERVER_TIMEOUT=timeout)


def test_a_resolver_that_never_answers(unanswered):
    unanswered("1500ms")
    eventually(lambda: ended("client1"), "the client gives up")
    assert states(["client1"]) == [(True, 1)]
    assert "given up after 1.5s: server: no answer from the resolver" in logs("client1")


def test_sigterm_while_no_resolver_answers(unanswered):
    unanswered("1h")
    eventually(lambda: "action: config" in logs("client1"), "the client has begun")
    docker("stop", "--time", "3", "client1")  # a resolver takes five seconds
    assert states(["client1"]) == [(True, 0)], logs("client1")
    assert "action: close_resolver | result: success" in logs("client1")


# From the default bridge the engine drops packets to our network; on it, nobody answers for the address.
@pytest.mark.parametrize("attached", ["bridge", NETWORK])
def test_an_address_that_does_not_answer(network, attached):
    start("client1", "--network", attached, CLI_SERVER_ADDRESS=f"{unused_address()}:{PORT}")
    eventually(lambda: ended("client1"), "the client gives up")
    assert states(["client1"]) == [(True, 1)]
    assert f"given up after 2s: {unused_address()}:{PORT}: no answer to the connection request" in logs("client1")


@pytest.mark.parametrize("attached", ["bridge", NETWORK])
def test_sigterm_while_an_address_does_not_answer(network, attached):
    start("client1", "--network", attached, CLI_SERVER_ADDRESS=f"{unused_address()}:{PORT}", CLI_SERVER_TIMEOUT="1h")
    eventually(lambda: "action: config" in logs("client1"), "the client has begun")
    docker("stop", "--time", "3", "client1")
    assert states(["client1"]) == [(True, 0)], logs("client1")
