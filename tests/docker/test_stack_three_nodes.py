"""The stack on three engines of the tests' own, with a registry beside them: machines come and go."""

import time

import nodes
import pytest
from engine import NETWORK, eventually

pytestmark = pytest.mark.stack
SUCCESS = "action: test_echo_server | result: success"
CLIENTS = 6


@pytest.fixture(scope="module")
def stack(machines, image_file, tmp_path_factory):
    registry = machines.registry("10.99.0.100")
    members = [machines.node(f"node{i}", f"10.99.0.{i}", registry) for i in [1, 2, 3]]
    manager = members[0]
    manager.docker("load", "--input", image_file)
    # A node is down once it has missed three heartbeats: after 6 seconds here, after 15 by default.
    manager.docker("swarm", "init", "--advertise-addr", manager.address, "--dispatcher-heartbeat", "2s")
    token = manager.docker("swarm", "join-token", "--quiet", "worker")
    for node in members[1:]:
        node.docker("swarm", "join", "--token", token, f"{manager.address}:2377")
    stack = nodes.Stack(tmp_path_factory.mktemp("three nodes") / "a checkout", members)
    stack.machines, stack.registry = machines, f"REGISTRY={registry}"
    # A lost server must not take longer to come back than a message may take.
    settings = stack.directory / "client/config.yaml"
    settings.write_text(settings.read_text().replace("server:\n", "server:\n  timeout: 2m\n", 1))
    stack.make("docker-push", stack.registry)
    return stack


def node_of_the_server(stack):
    (name,) = stack.running("server")
    return name


def test_all_nodes_run_clients_of_the_registrys_image(stack):
    stack.loop(amount=5, period="1s")
    stack.up(CLIENTS, stack.registry)
    assert len(stack.finish(CLIENTS, amount=5)) == CLIENTS
    assert {node for _, _, node, _ in stack.tasks("client")} == {"node1", "node2", "node3"}
    for node in stack.nodes[1:]:
        images = node.docker("images", "--format", "{{.Repository}}").split()
        assert images and all(image.startswith("10.99.0.100:5000/") for image in images)


def test_the_validator_works_from_a_manager_and_from_a_worker(stack, image_file):
    for node in stack.nodes:  # a worker without a task does not know the network
        node.docker("load", "--input", image_file)
        assert SUCCESS in node.run("sh", "validar-echo-server.sh", cwd=stack.directory).stdout


def test_a_node_that_is_drained_loses_nothing(stack, tell):
    stack.loop(amount=10, period="1s")
    stack.up(CLIENTS, stack.registry)
    eventually(stack.runs_everywhere, "clients run on all nodes")
    drained = node_of_the_server(stack)
    stack.manager.docker("node", "update", "--availability", "drain", drained)
    eventually(lambda: drained not in stack.running("client") + stack.running("server"), "the node is empty")
    runs = len(stack.finish(CLIENTS, amount=10))
    tell(f"drained: {runs - CLIENTS} clients began again elsewhere")
    stack.manager.docker("node", "update", "--availability", "active", drained)


def test_the_servers_node_is_cut_off_and_comes_back(stack, tell):
    stack.loop(amount=12, period="1s")
    stack.up(CLIENTS, stack.registry)
    # Not the manager's node, which would take the rest's orders with it.
    stack.manager.docker("service", "update", "--detach", "--constraint-add", "node.role==worker", "tp0_server")
    eventually(lambda: stack.running("server") in (["node2"], ["node3"]), "the server runs on a worker")
    eventually(stack.runs_everywhere, "clients run on all nodes")
    lost = node_of_the_server(stack)
    start = time.monotonic()
    stack.machines.link(lost, "down")
    elsewhere = lambda: [node for node in stack.running("server") if node != lost]
    eventually(elsewhere, "the server runs on another node", 120)
    tell(f"the server was lost for {time.monotonic() - start:.0f} s")

    # The node is down, and the engine would wait for its lines for ever.
    printed = stack.make("docker-stack-logs")
    assert f"{lost} is Down" in printed.stderr and "tp0_client" in printed.stdout and f"@{lost}" not in printed.stdout
    runs = len(stack.finish(CLIENTS, amount=12))
    tell(f"cut off: {runs - CLIENTS} clients began again elsewhere")

    stack.machines.link(lost, "up")
    status = lambda: stack.manager.docker("node", "inspect", "--format", "{{.Status.State}}", lost)
    eventually(lambda: status() == "ready", "the node is back", 120)
    names = lambda: [name for node in stack.nodes for name in node.docker("ps", "--format", "{{.Names}}").split()]
    eventually(lambda: sum("server" in name for name in names()) == 1, "one server runs")
    assert len(stack.finish(CLIENTS, amount=12)) == runs, "a client that had finished ran again"
    # What is left of that run, on the lost node too, does not keep the next one from running all clients.
    stack.loop(amount=2, period="200ms")
    stack.up(CLIENTS, stack.registry)
    assert len(stack.finish(CLIENTS, amount=2)) == CLIENTS


def test_down_leaves_nothing_on_any_node(stack):
    assert NETWORK in stack.manager.docker("network", "ls", "--format", "{{.Name}}")
    stack.make("docker-stack-down")
    eventually(lambda: stack.left() == [], "the workers have heard of it")
