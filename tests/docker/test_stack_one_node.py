"""The stack on an engine of the tests' own, a swarm of one node; with BusyBox's applets first in PATH."""

import nodes
import pytest
from engine import NETWORK, eventually

pytestmark = pytest.mark.stack
SUCCESS = "action: test_echo_server | result: success"


@pytest.fixture(scope="module")
def stack(machines, image_file, applets, tmp_path_factory):
    node = machines.node("node", "10.99.0.1")
    node.docker("load", "--input", image_file)
    stack = nodes.Stack(tmp_path_factory.mktemp("one node") / "a checkout", [node])
    stack.environment["PATH"] = applets
    return stack


def test_up_makes_no_swarm_unless_asked(stack):
    done = stack.make("docker-stack-up", check=False)
    assert done.returncode != 0 and "SWARM_INIT=1" in done.stderr
    assert stack.manager.docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive"
    stack.make("swarm", "SWARM_INIT=1")


def test_all_clients_finish_and_run_again_with_the_settings_as_they_are_then(stack):
    stack.loop(amount=3, period="200ms")
    stack.up(5)
    assert len(stack.finish(5, amount=3)) == 5
    printed = stack.make("docker-stack-logs").stdout
    assert printed.count("action: loop_finished") == 5
    assert printed.count("msg: [CLIENT 3] Message N°3") == 2  # the server's, and the client's

    stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 77)
    stack.loop(amount=2, period="200ms")
    stack.make("docker-stack-up")
    assert len(stack.finish(5, amount=2)) == 5
    assert "listen_backlog: 77" in stack.logs("server")[1][0]
    assert SUCCESS in stack.run("sh", "validar-echo-server.sh").stdout


def test_settings_that_the_server_refuses(stack):
    stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", "many")
    done = stack.make("docker-stack-up", check=False)
    stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 5)
    assert done.returncode != 0 and "non-zero exit (2)" in done.stderr
    assert '"many" is not a number from 1 to 65535' in stack.make("docker-stack-logs").stdout


def test_down_leaves_nothing_also_during_a_run(stack):
    stack.loop(amount=5, period="1h")
    stack.up(5)
    eventually(lambda: len(stack.running("client")) == 5, "all clients run")
    assert NETWORK in stack.manager.docker("network", "ls", "--format", "{{.Name}}")
    stack.make("docker-stack-down")
    assert stack.left() == []
    stack.make("docker-stack-down")
