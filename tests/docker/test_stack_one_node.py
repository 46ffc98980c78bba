"""The stack on an engine of the tests' own, a swarm of one node."""

import nodes
import pytest
from engine import NETWORK, eventually

pytestmark = pytest.mark.stack
SUCCESS = "action: test_echo_server | result: success"


@pytest.fixture(scope="module")
def stack(machines, image_file, tmp_path_factory):
    node = machines.node("node", "10.99.0.1")
    eventually(node.ready, "the engine answers")
    node.docker("load", "--input", image_file)
    return nodes.Stack(tmp_path_factory.mktemp("one node") / "a checkout", [node])


def test_up_makes_no_swarm_unless_asked(stack):
    stack.loop(amount=3, period="200ms")
    done = stack.make("docker-stack-up", check=False)
    assert done.returncode != 0 and "SWARM_INIT=1" in done.stderr
    assert stack.manager.docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive"
    assert "swarm" in stack.make("docker-stack-down").stdout  # nothing to remove is no error
    stack.up(1, "SWARM_INIT=1")
    stack.finish(1)


def test_all_clients_finish_once_each(stack):
    stack.loop(amount=3, period="200ms")
    stack.up(5)
    once_each(stack)
    tasks = lambda: {task for service in ["server", "client"] for _, task, _, _ in stack.tasks(service)}
    before = tasks()
    # Once more, with nothing changed that shows: the image of a name may be another one.
    stack.make("docker-stack-up")
    assert before.isdisjoint(tasks())
    once_each(stack)
    printed = stack.make("docker-stack-logs").stdout
    assert printed.count("action: loop_finished") == 5
    assert printed.count("msg: [CLIENT 3] Message N°3") == 2  # the server's, and the client's


def once_each(stack):
    logs = stack.finish(5)
    assert sorted(logs) == [1, 2, 3, 4, 5]
    for number, texts in logs.items():
        assert [nodes.echoed(text, number) for text in texts] == [[1, 2, 3]], texts
        assert texts[0].count("action: loop_finished | result: success") == 1, texts


def test_the_validator_works_on_it(stack):
    stack.up(0)
    assert SUCCESS in stack.run("./validar-echo-server.sh").stdout
    services = stack.manager.docker("service", "ls", "--format", "{{.Name}} {{.Replicas}}")
    assert sorted(services.splitlines()) == ["tp0_client 0/0", "tp0_server 1/1"]


def test_an_edit_takes_effect_at_the_next_up(stack):
    stack.loop(amount=1, period="0")
    stack.up(2)
    file = (stack.directory / "docker-stack.yaml").read_text()
    stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 77)
    stack.edit("client/config.yaml", "amount", 2)
    stack.make("docker-stack-up")
    for texts in stack.finish(2).values():
        assert "loop_amount: 2" in texts[0]
    assert any("listen_backlog: 77" in text for texts in stack.logs("server").values() for text in texts)
    assert (stack.directory / "docker-stack.yaml").read_text() == file


def test_settings_that_the_server_refuses(stack):
    stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", "many")
    try:
        done = stack.make("docker-stack-up", check=False)
        assert done.returncode != 0
        assert "non-zero exit (2)" in done.stderr and '"many" is not a number from 1 to 65535' in done.stderr
    finally:
        stack.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 5)


@pytest.mark.parametrize("missing, given", [("SERVER_HASH", "CLIENT_HASH"), ("CLIENT_HASH", "SERVER_HASH")])
def test_a_deployment_by_hand_says_what_is_missing(stack, missing, given):
    deploy = ["docker", "stack", "deploy", "--compose-file", "docker-stack.yaml", "tp0"]
    done = stack.run("env", f"{given}=x", *deploy, check=False)
    assert done.returncode != 0 and f"{missing} is missing a value" in done.stderr
    assert "docker/stack.sh up sets it" in done.stderr


def test_a_server_that_is_replaced_loses_nothing(stack):
    stack.loop(amount=20, period="500ms")
    stack.up(5)
    eventually(lambda: len(stack.running("client")) == 5, "all clients run")
    stack.run("docker", "service", "update", "--force", "--detach", "tp0_server")
    for number, texts in stack.finish(5).items():
        assert [nodes.echoed(text, number) for text in texts] == [list(range(1, 21))], texts
        assert "result: fail" not in texts[0]
    assert len(stack.logs("server")[1]) >= 2, "the server was not replaced"


def test_the_messages_spread_over_three_servers(stack, tell):
    stack.loop(amount=60, period="500ms")
    stack.up(5)
    stack.run("docker", "service", "scale", "--detach", "tp0_server=3")

    def received():
        logs = stack.logs("server", "Running")
        return {number: texts[0].count("receive_message | result: success") for number, texts in logs.items()}

    eventually(lambda: len(received()) == 3 and min(received().values()) > 0, "each of three servers gets messages")
    # The first server had all of them until now, so that only what comes from here on shows the spread.
    before = received()
    eventually(lambda: sum(received().values()) >= sum(before.values()) + 100, "100 more messages")
    shares = [count - before[number] for number, count in received().items()]
    tell(f"messages of each server: {shares}")
    # Each gets a third, give or take 5: by chance, fewer than 10 come less than once in ten million runs.
    assert min(shares) >= 10
    # Two are taken away again, and cost no message.
    stack.run("docker", "service", "scale", "--detach", "tp0_server=1")
    for number, texts in stack.finish(5).items():
        assert [nodes.echoed(text, number) for text in texts] == [list(range(1, 61))], texts


def test_down_leaves_nothing_also_during_a_run(stack):
    stack.loop(amount=5, period="1h")
    stack.up(5)
    eventually(lambda: len(stack.running("client")) == 5, "all clients run")
    assert NETWORK in stack.manager.docker("network", "ls", "--format", "{{.Name}}")
    stack.make("docker-stack-down")
    assert stack.left() == []
    stack.make("docker-stack-down")
