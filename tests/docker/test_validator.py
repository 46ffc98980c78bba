import signal
import subprocess

import pytest
from engine import NETWORK, PORT, containers, docker, eventually, logs, networks, run

SUCCESS = "action: test_echo_server | result: success\n"
FAIL = "action: test_echo_server | result: fail\n"


@pytest.fixture
def network(checkout):
    docker("network", "create", NETWORK)
    return checkout


def mock(script):
    """A server whose every connection is one run of a script, its standard streams the connection."""
    listen = f'while :; do nc -l -p {PORT} -e sh -c "$0"; done'
    docker("run", "--detach", "--name", "server", "--network", NETWORK, "busybox", "sh", "-c", listen, script)
    eventually(lambda: f":{PORT} " in docker("exec", "server", "netstat", "-ltn"), "the mock listens")


def validate(checkout, directory=None):
    done = run("sh", checkout.directory / "validar-echo-server.sh", check=False, cwd=directory or checkout.directory)
    assert leftovers() == ""
    assert (done.returncode, done.stdout) in [(0, SUCCESS), (1, FAIL)], done
    return done


def leftovers():
    return docker("ps", "--all", "--quiet", "--filter", "name=validar-echo-server")


def test_our_server_passes(checkout, tmp_path):
    checkout.generate(0)
    checkout.make("docker-compose-up")
    eventually(lambda: "accept_connections" in logs("server"), "the server listens")
    assert validate(checkout).stdout == SUCCESS
    assert validate(checkout, directory=tmp_path).stdout == SUCCESS


def test_the_port_is_that_of_the_settings(checkout):
    settings = "\ufeff# SERVER_PORT = 1\r\n[DEFAULT]\r\nserver_port: 23456 \r\n"
    settings += "SERVER_LISTEN_BACKLOG = 5\r\nLOGGING_LEVEL = INFO\r\n[OTHER]\r\nSERVER_PORT = 2\r\n"
    (checkout.directory / "server/config.ini").write_bytes(settings.encode())
    checkout.generate(0)
    checkout.make("docker-compose-up")
    eventually(lambda: "accept_connections" in logs("server"), "the server listens")
    assert validate(checkout).stdout == SUCCESS


@pytest.mark.parametrize("script", ["exec cat", 'read -r line; echo "$line"; sleep 60'])
def test_the_same_bytes_pass(network, script):
    """Also from a server that leaves the connection open."""
    mock(script)
    assert validate(network).stdout == SUCCESS


@pytest.mark.parametrize(
    "script",
    [
        "read -r line; echo Hello Echo",
        'read -r line; echo "$line!"',
        'read -r line; echo "$line"; echo',
        'read -r line; printf %s "$line"',
        'read -r line; printf "%s\\0\\n" "$line"',
        "exec yes",
    ],
)
def test_other_bytes_fail(network, script):
    mock(script)
    done = validate(network)
    assert done.stdout == FAIL and "answered otherwise" in done.stderr


@pytest.mark.parametrize(
    "script, reason", [("exec sleep 60", "sent nothing back within 5 seconds"), ("read -r line", "closed the connection")]
)
def test_silence_fails(network, script, reason):
    mock(script)
    done = validate(network)
    assert done.stdout == FAIL and reason in done.stderr


def test_a_refused_connection_fails(network):
    docker("run", "--detach", "--name", "server", "--network", NETWORK, "busybox", "sleep", "60")
    done = validate(network)
    assert done.stdout == FAIL and "refused" in done.stderr


def test_a_network_without_a_server_fails(network):
    done = validate(network)
    assert done.stdout == FAIL and "no server at server:12345" in done.stderr


def test_no_network_fails(checkout):
    assert NETWORK not in networks() and containers() == []
    done = validate(checkout)
    assert done.stdout == FAIL and f"there is no network {NETWORK}" in done.stderr


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up(network, by):
    mock("exec sleep 60")
    script = subprocess.Popen(
        ["sh", network.directory / "validar-echo-server.sh"], stdout=subprocess.PIPE, text=True
    )
    eventually(leftovers, "the validator's container runs")
    script.send_signal(by)
    assert script.communicate(timeout=60)[0] == FAIL
    assert script.returncode == 1 and leftovers() == ""
