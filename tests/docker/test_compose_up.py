"""make docker-compose-up: what it needs, says and starts."""

import socket

import pytest
from engine import (
    NETWORK,
    PORT,
    Checkout,
    containers,
    docker,
    eventually,
    exit_statuses,
    inspect,
    ip,
    logs,
    networks,
    wait_for_clients,
)

SETTINGS = ["server/config.ini", "client/config.yaml"]
LAST_LINE = "the server listens: make docker-compose-logs follows it, make docker-compose-down ends it"


def test_up_works_right_after_a_clone(short):
    done = short.make("docker-compose-up")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "docker-compose-dev.yaml: written, with CLIENTS=5",
        "building the image (a minute, if the sources are new)",
        "starting the server (a second or two)",
        "clients to start: 5 (some five a second)",
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
    wait_for_clients(2)
    docker("stop", "server")
    assert "[CLIENT 2] Message N°1" in make("docker-compose-logs").stdout
    make("docker-compose-down")
    assert containers() == [] and NETWORK not in networks()
    assert not (short.directory / "docker-compose-dev.yaml").exists()


def test_a_file_that_is_there_is_kept(short):
    short.generate(1)
    said = short.make("docker-compose-up", "CLIENTS=3").stdout
    assert "with clients: 1; for 3: ./generar-compose.sh docker-compose-dev.yaml 3\n" in said and "written" not in said
    assert containers() == ["client1", "server"]


@pytest.mark.parametrize("missing", SETTINGS)
@pytest.mark.parametrize("as_a_directory", [False, True])
def test_missing_settings_start_nothing(checkout, missing, as_a_directory):
    (checkout.directory / missing).unlink()
    if as_a_directory:
        (checkout.directory / missing).mkdir()
    command = checkout.refused("docker-compose-up", missing, "is a directory" if as_a_directory else "no such file")
    assert command == f"{f'sudo rmdir {missing} && ' if as_a_directory else ''}git checkout {missing}"
    assert containers() == [] and (checkout.directory / missing).exists() == as_a_directory


@pytest.mark.parametrize("unreadable", [SETTINGS, SETTINGS[:1], SETTINGS[1:]])
def test_settings_that_the_containers_cannot_read(short, unreadable):
    """As under umask 077. A private directory on the way is no obstacle to a mount."""
    for name in SETTINGS:
        (short.directory / name).parent.chmod(0o700)
    for name in unreadable:
        (short.directory / name).chmod(0o600)
    command = short.refused("docker-compose-up", "uid 65534", *unreadable)
    assert command == f"chmod o+r {' '.join(unreadable)}"
    short.run("sh", "-c", command)
    short.make("docker-compose-up", "CLIENTS=1")
    wait_for_clients(1)
    assert inspect("client1")["State"]["ExitCode"] == 0, logs("client1")


@pytest.mark.parametrize("key, value", [("SERVER_PORT", "99999"), ("LOGGING_LEVEL", "LOUD")])
def test_up_fails_with_the_words_of_a_server_that_ends(short, key, value):
    short.edit("server/config.ini", key, value)
    done = short.make("docker-compose-up", check=False)
    assert done.returncode != 0 and "server has ended with 2: ./config.ini:" in done.stderr
    assert f'{key}: "{value}" is not' in done.stderr and LAST_LINE not in done.stdout
    assert containers() == ["server"]
    assert done.stderr.splitlines()[0].endswith("(mounted: server/config.ini)")
    short.edit("server/config.ini", key, {"SERVER_PORT": PORT, "LOGGING_LEVEL": "INFO"}[key])
    short.make("docker-compose-up")


def test_up_fails_with_the_words_of_a_client_that_ends(short):
    short.edit("client/config.yaml", "period", "5")
    done = short.make("docker-compose-up", "CLIENTS=2", check=False)
    assert done.returncode != 0 and "client1 has ended with 2: ./config.yaml:5: loop.period: " in done.stderr
    assert "(mounted: client/config.yaml)" in done.stderr and LAST_LINE not in done.stdout


def test_up_refuses_a_number_of_clients_before_it_builds(checkout):
    done = checkout.make("docker-compose-up", "CLIENTS=many", check=False)
    assert done.stderr.startswith("docker-compose-up: CLIENTS=many: ") and done.stdout == ""


def test_up_knows_a_server_and_clients_that_log_nothing(short):
    short.edit("server/config.ini", "LOGGING_LEVEL", "ERROR")
    short.edit("client/config.yaml", "level", "ERROR")
    short.make("docker-compose-up", "CLIENTS=1")
    assert logs("server") == ""
    socket.create_connection((ip("server"), PORT), timeout=10).close()


def test_up_knows_a_server_that_never_listens(short):
    short.generate(1)
    file = short.directory / "docker-compose-dev.yaml"
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
    file = long.directory / "docker-compose-dev.yaml"
    name = "container_name: client2\n"
    file.write_text(file.read_text().replace(name, f"{name}    entrypoint: /none\n"))
    done = long.make("docker-compose-up", check=False)
    assert done.returncode != 0 and "/none" in done.stderr
    assert containers() == []


def test_a_directory_that_gives_compose_no_name(checkout, tmp_path):
    nameless = Checkout(tmp_path / "ñ")
    nameless.loop(amount=1, period="0s")
    nameless.make("docker-compose-up", "CLIENTS=1")
    assert inspect("server")["Config"]["Labels"]["com.docker.compose.project"] == "tp0"
    wait_for_clients(1)
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
