"""The Compose targets where containers or the network are not of this clone."""

import re
import shutil

import pytest
from engine import NETWORK, Checkout, containers, docker, eventually, exit_statuses, inspect, logs, networks


@pytest.fixture
def elsewhere(images, tmp_path):
    """Another clone, whose directory gives Compose another project name."""
    other = Checkout(tmp_path / "elsewhere")
    other.loop(amount=2, period="1h")
    return other


@pytest.fixture
def stranger(images):
    """Runs a container that no name or network of ours gives away to remove_everything."""
    names = []

    def start(name, *options):
        names.append(name)
        docker("run", "--detach", "--name", name, *options, "busybox", "sleep", "3600")

    yield start
    for name in names:
        docker("rm", "--force", name, check=False)


@pytest.mark.parametrize("command", ["docker-compose", "make"])
def test_down_ends_what_another_directory_started(long, elsewhere, command):
    """By either Compose, from a file of any name, which need not be there any more."""
    elsewhere.run("./generar-compose.sh", "out", 2)
    if command == "make":
        elsewhere.make("docker-compose-up", "COMPOSE_FILE=out")
    elif shutil.which(command):
        elsewhere.run(command, "--file", "out", "up", "-d")
    else:
        pytest.skip("there is no docker-compose 1.29")
    for name in ["server", "client1", "client2"]:
        eventually(lambda: "action: config" in logs(name), f"{name} has begun")
    shutil.rmtree(elsewhere.directory)
    done = []
    ended = exit_statuses(["server", "client1", "client2"], lambda: done.append(long.make("docker-compose-down")))
    assert ended == {"server": 0, "client1": 0, "client2": 0}
    assert containers() == [] and NETWORK not in networks()
    assert done[0].stdout.splitlines() == ["containers to stop and remove: 3 (some ten a second)", "nothing is left"]


def test_down_touches_nothing_else(long, stranger):
    stranger("tp0-test-elsewhere", "--network", "none", "--label", "com.docker.compose.project=acheckout")
    long.make("docker-compose-up", "CLIENTS=1")
    stranger("tp0-test-guest", "--network", NETWORK)
    done = long.make("docker-compose-down", check=False)
    assert done.returncode != 0 and containers() == []
    command = re.search(r": (docker rm --force tp0-test-guest && docker network rm tp0_testing_net)\n", done.stderr)[1]
    for name in ["tp0-test-elsewhere", "tp0-test-guest"]:
        assert inspect(name)["State"]["Running"]
    long.run("sh", "-c", command)
    assert long.make("docker-compose-down").stdout == "nothing is left\n"
    assert inspect("tp0-test-elsewhere")["State"]["Running"]


@pytest.mark.parametrize("project", [[], ["--label", "com.docker.compose.project=theirs"]])
def test_a_name_that_somebody_else_has(long, stranger, project):
    stranger("client1", *project)
    long.generate(1)
    command = long.refused("docker-compose-up", "client1", "image busybox", *(["project theirs"] if project else []))
    assert command == "docker rm --force client1"
    long.run("sh", "-c", command)
    long.make("docker-compose-up")


def test_another_clone_is_left_running(long, elsewhere):
    elsewhere.make("docker-compose-up", "CLIENTS=3")
    long.generate(1)
    command = long.refused("docker-compose-up", "Compose project elsewhere", str(elsewhere.directory))
    assert command == "make docker-compose-down"
    long.run("sh", "-c", command)
    long.make("docker-compose-up")
    assert containers() == ["client1", "server"]


@pytest.mark.parametrize(
    "label, whose, way",
    [
        ("a=b", "not made by Compose", f"docker network rm {NETWORK}"),
        ("com.docker.stack.namespace=tp0", "belongs to a stack", "make docker-stack-down"),
    ],
)
def test_a_network_that_compose_has_not_made(short, label, whose, way):
    docker("network", "create", "--label", label, NETWORK)
    for target in ["docker-compose-up", "docker-compose-down"]:
        assert short.refused(target, NETWORK, whose) == way
    docker("network", "rm", NETWORK)
    short.make("docker-compose-up")
