"""What the Compose targets owe to whoever types them: make docker-compose-up, -logs and -down."""

import re
import shutil
import socket
import subprocess
import threading

import pytest
from engine import (
    NETWORK,
    PORT,
    Checkout,
    containers,
    docker,
    eventually,
    exit_statuses,
    exited,
    inspect,
    ip,
    logs,
    networks,
)

SETTINGS = ["server/config.ini", "client/config.yaml"]
LAST_LINE = "the server listens: make docker-compose-logs follows it, make docker-compose-down ends it"


def refused(checkout, target, *words):
    """A target that fails in one line, with these words, and changes nothing; returns the command it names."""
    before = containers(), containers(every=False), networks()
    done = checkout.make(target, check=False)
    line, *rest = done.stderr.splitlines()
    assert done.returncode != 0 and line.startswith(f"{target}: "), done.stderr
    assert all(line.startswith("make: ") for line in rest), done.stderr
    assert all(word in line for word in words), line
    assert (containers(), containers(every=False), networks()) == before
    return line.rpartition(": ")[2]


@pytest.fixture
def short(checkout):
    """Clients that end at once."""
    checkout.loop(amount=1, period="0s")
    return checkout


@pytest.fixture
def long(checkout):
    """Clients that sleep after their first message."""
    checkout.loop(amount=2, period="1h")
    return checkout


@pytest.fixture
def elsewhere(images, tmp_path):
    """Another clone, whose directory gives Compose another project name."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    other = Checkout(folder)
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


def test_up_works_right_after_a_clone(short):
    done = short.make("docker-compose-up")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "building the image (a minute, if the sources are new)",
        "docker-compose-dev.yaml: written, with CLIENTS=5",
        "starting the server",
        "clients to start: 5",
        LAST_LINE,
    ]
    assert containers() == ["client1", "client2", "client3", "client4", "client5", "server"]


@pytest.mark.parametrize("from_environment", [False, True])
def test_the_file_and_the_clients_may_be_named(short, from_environment):
    variables = {"COMPOSE_FILE": "out", "CLIENTS": "2"}
    arguments = [] if from_environment else [f"{key}={value}" for key, value in variables.items()]

    def make(target):
        return short.make(target, *arguments, **(variables if from_environment else {}))

    assert "out: written, with CLIENTS=2\n" in make("docker-compose-up").stdout
    assert containers() == ["client1", "client2", "server"]
    eventually(lambda: exited("client1") and exited("client2"), "both clients have ended")
    docker("stop", "server")
    assert "[CLIENT 2] Message N°1" in make("docker-compose-logs").stdout
    make("docker-compose-down")
    assert containers() == [] and NETWORK not in networks()
    assert not (short.folder / "docker-compose-dev.yaml").exists()


def test_a_file_that_is_there_is_kept(short):
    short.generate(1)
    assert "written" not in short.make("docker-compose-up", "CLIENTS=3").stdout
    assert containers() == ["client1", "server"]


@pytest.mark.parametrize("missing", SETTINGS)
@pytest.mark.parametrize("as_a_folder", [False, True])
def test_missing_settings_start_nothing(checkout, missing, as_a_folder):
    (checkout.folder / missing).unlink()
    if as_a_folder:
        (checkout.folder / missing).mkdir()
    command = refused(checkout, "docker-compose-up", missing, "is a directory" if as_a_folder else "no such file")
    assert command == f"{f'sudo rmdir {missing} && ' if as_a_folder else ''}git checkout {missing}"
    assert containers() == [] and (checkout.folder / missing).exists() == as_a_folder


@pytest.mark.parametrize("unreadable", [SETTINGS, SETTINGS[:1], SETTINGS[1:]])
def test_settings_that_the_containers_cannot_read(short, unreadable):
    """As under umask 077. A private directory on the way is no obstacle to a mount."""
    for name in SETTINGS:
        (short.folder / name).parent.chmod(0o700)
    for name in unreadable:
        (short.folder / name).chmod(0o600)
    command = refused(short, "docker-compose-up", "uid 65534", *unreadable)
    assert command == f"chmod o+r {' '.join(unreadable)}"
    short.run("sh", "-c", command)
    short.make("docker-compose-up", "CLIENTS=1")
    eventually(lambda: exited("client1"), "the client has ended")
    assert inspect("client1")["State"]["ExitCode"] == 0, logs("client1")


@pytest.mark.parametrize("key, value", [("SERVER_PORT", "99999"), ("LOGGING_LEVEL", "LOUD")])
def test_up_fails_with_the_words_of_a_server_that_ends(short, key, value):
    short.edit("server/config.ini", key, value)
    done = short.make("docker-compose-up", check=False)
    assert done.returncode != 0 and "the server has ended with 2: ./config.ini:" in done.stderr
    assert f'{key}: "{value}" is not' in done.stderr and LAST_LINE not in done.stdout
    assert containers() == ["server"]
    short.edit("server/config.ini", key, {"SERVER_PORT": PORT, "LOGGING_LEVEL": "INFO"}[key])
    short.make("docker-compose-up")


def test_up_knows_a_server_that_logs_nothing(short):
    short.edit("server/config.ini", "LOGGING_LEVEL", "ERROR")
    short.make("docker-compose-up", "CLIENTS=1")
    assert logs("server") == ""
    socket.create_connection((ip("server"), PORT), timeout=10).close()


def test_up_knows_a_server_that_never_listens(short):
    short.generate(1)
    file = short.folder / "docker-compose-dev.yaml"
    silent = "image: busybox\n    command: sleep 3600\n"
    file.write_text(file.read_text().replace("image: server:latest\n    entrypoint: /server\n", silent))
    done = short.make("docker-compose-up", check=False)
    assert done.returncode != 0 and "the server does not listen after 30 seconds" in done.stderr


def test_a_second_up_starts_anew_with_the_settings_as_they_are_now(long):
    long.generate(2)
    long.make("docker-compose-up")
    long.edit("server/config.ini", "SERVER_LISTEN_BACKLOG", 77)
    long.loop(amount=3, period="2h")
    long.generate(1)
    ended = exit_statuses(["server", "client1", "client2"], lambda: long.make("docker-compose-up"))
    assert ended == {"server": 0, "client1": 0, "client2": 0}
    assert containers() == containers(every=False) == ["client1", "server"]
    assert "listen_backlog: 77" in logs("server")
    eventually(lambda: "loop_amount: 3 | loop_period: 2h" in logs("client1"), "the client has the new settings")


def test_up_leaves_nothing_where_compose_fails_half_way(long):
    long.generate(2)
    file = long.folder / "docker-compose-dev.yaml"
    name = "container_name: client2\n"
    file.write_text(file.read_text().replace(name, f"{name}    entrypoint: /none\n"))
    done = long.make("docker-compose-up", check=False)
    assert done.returncode != 0 and "/none" in done.stderr
    assert containers() == []


def test_logs_come_from_every_container(short):
    short.make("docker-compose-up", "CLIENTS=2")
    eventually(lambda: exited("client1") and exited("client2"), "both clients have ended")
    docker("stop", "server")
    done = short.run("timeout", 120, "make", "docker-compose-logs")  # Compose 2.40 follows for ever
    assert "[CLIENT 1] Message N°1" in done.stdout and "client_id: 2" in done.stdout


def test_logs_follow_what_runs_and_end_with_it(short):
    short.make("docker-compose-up", "CLIENTS=1")
    eventually(lambda: exited("client1"), "the client has ended")
    command = ["make", "docker-compose-logs"]
    with subprocess.Popen(command, cwd=short.folder, stdout=subprocess.PIPE, text=True) as following:
        deadline = threading.Timer(60, following.kill)
        deadline.start()
        while "action: accept_connections" not in following.stdout.readline():
            assert following.poll() is None
        docker("stop", "server")
        assert "action: shutdown | result: success" in following.stdout.read()
        deadline.cancel()


def test_logs_of_nothing_end(checkout):
    assert refused(checkout, "docker-compose-logs", "docker-compose-dev.yaml: no such file")
    checkout.generate(1)
    checkout.make("docker-compose-logs")


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
    shutil.rmtree(elsewhere.folder)
    done = []
    ended = exit_statuses(["server", "client1", "client2"], lambda: done.append(long.make("docker-compose-down")))
    assert ended == {"server": 0, "client1": 0, "client2": 0}
    assert containers() == [] and NETWORK not in networks()
    assert done[0].stdout.splitlines() == ["containers to stop and remove: 3", "nothing is left"]


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
    command = refused(long, "docker-compose-up", "client1", "image busybox", *(["project theirs"] if project else []))
    assert command == "docker rm --force client1"
    long.run("sh", "-c", command)
    long.make("docker-compose-up")


def test_another_clone_is_left_running(long, elsewhere):
    elsewhere.make("docker-compose-up", "CLIENTS=3")
    long.generate(1)
    command = refused(long, "docker-compose-up", "Compose project elsewhere", str(elsewhere.folder))
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
        assert refused(short, target, NETWORK, whose) == way
    docker("network", "rm", NETWORK)
    short.make("docker-compose-up")


def test_a_directory_that_gives_compose_no_name(checkout, tmp_path):
    folder = tmp_path / "ñ"
    folder.mkdir()
    nameless = Checkout(folder)
    nameless.loop(amount=1, period="0s")
    nameless.make("docker-compose-up", "CLIENTS=1")
    assert inspect("server")["Config"]["Labels"]["com.docker.compose.project"] == "tp0"
    eventually(lambda: exited("client1"), "the client has ended")
    docker("stop", "server")
    assert "[CLIENT 1] Message N°1" in nameless.make("docker-compose-logs").stdout
    nameless.make("docker-compose-down")
    assert containers() == []


@pytest.mark.parametrize("target", ["docker-compose-up", "docker-compose-logs", "docker-compose-down"])
def test_no_engine(checkout, target):
    done = checkout.make(target, check=False, DOCKER_HOST="unix:///nowhere")
    assert done.returncode != 0 and done.stderr.startswith(f"{target}: no Docker engine answers: ")


def test_usage(checkout):
    assert checkout.run("docker/compose.sh", "--help").stdout.startswith("usage: ")
    for arguments in [[], ["sideways"], ["up", "now"]]:
        done = checkout.run("docker/compose.sh", *arguments, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage: ") and done.stdout == ""
