"""make docker-compose-up: what it refuses, starts and says. With either Compose."""

import pytest
from engine import (
    NETWORK,
    containers,
    docker,
    eventually,
    exit_statuses,
    image_id,
    inspect,
    logs,
    networks,
    wait_for_clients,
)

pytestmark = pytest.mark.compose
SETTINGS = ["server/config.ini", "client/config.yaml"]


def test_up_works_right_after_a_clone_and_again_with_other_settings(short):
    done = short.make("docker-compose-up")
    for line in ["docker-compose-dev.yaml: written, with CLIENTS=5", "building the image", "server and clients: 5"]:
        assert line in done.stdout
    assert done.stdout.splitlines()[-1].startswith("started: make docker-compose-logs")
    names = [f"client{number}" for number in range(1, 6)]
    assert containers() == [*names, "server"]
    wait_for_clients(5)
    for name in names:
        assert inspect(name)["State"]["ExitCode"] == 0, logs(name)

    before = image_id("server:latest")
    short.edit("server/config.ini", "SERVER_PORT", 23456)
    short.edit("client/config.yaml", "address", '"server:23456"')
    short.loop(amount=3, period="1h")
    short.generate(1)
    said = short.make("docker-compose-up", "CLIENTS=3").stdout
    assert "docker-compose-dev.yaml has 1 clients: for 3, " in said and "written" not in said
    assert containers() == containers(every=False) == ["client1", "server"]
    assert "| port: 23456 |" in logs("server")
    assert "server_address: server:23456 | loop_amount: 3 | loop_period: 1h" in logs("client1")
    eventually(lambda: "msg: [CLIENT 1] Message N°1" in logs("client1"), "the first echo")
    assert image_id("server:latest") == before
    assert exit_statuses(["server", "client1"], lambda: short.make("docker-compose-up")) == {"server": 0, "client1": 0}


def test_containers_have_the_least_privilege(long):
    long.generate(1)
    long.compose("config", "--quiet")
    long.compose("up", "--detach")
    for name in ["server", "client1"]:
        container = inspect(name)
        assert container["Config"]["User"] == "65534:65534"
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert any("no-new-privileges" in option for option in host["SecurityOpt"])
        assert [mount["RW"] for mount in container["Mounts"]] == [False]
        assert not host["PortBindings"]
        assert list(container["NetworkSettings"]["Networks"]) == [NETWORK]


def refuse_a_missing_file(checkout):
    (checkout.directory / SETTINGS[0]).unlink()
    return ["server/config.ini is not a regular file", "git checkout server/config.ini"]


def refuse_a_directory(checkout):
    (checkout.directory / SETTINGS[1]).unlink()
    (checkout.directory / SETTINGS[1]).mkdir()
    return ["client/config.yaml is not a regular file: remove it if it is a directory"]


def refuse_a_private_file(checkout):
    """As after a clone under umask 077."""
    (checkout.directory / SETTINGS[1]).chmod(0o600)
    return ["user 65534", "chmod o+r server/config.ini client/config.yaml"]


def refuse_two_ports(checkout):
    checkout.edit("server/config.ini", "SERVER_PORT", "12346\n[other]\nSERVER_PORT = 12345")
    return ["SERVER_PORT is 12346 in server/config.ini", "server.address is 12345 in client/config.yaml"]


REFUSALS = [refuse_a_missing_file, refuse_a_directory, refuse_a_private_file, refuse_two_ports]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_settings_that_cannot_work_start_nothing(checkout, refusal):
    checkout.refused("docker-compose-up", *refusal(checkout))
    assert not (checkout.directory / "docker-compose-dev.yaml").exists()


def test_clients_that_is_no_number_is_refused(checkout):
    checkout.refused("docker-compose-up", "CLIENTS=many: not a number", CLIENTS="many")
    checkout.generate(1)
    checkout.refused("docker-compose-up", "CLIENTS=1e3: not a number", CLIENTS="1e3")


def failures(checkout, names, **variables):
    """What a failing docker-compose-up says about each of these containers. It looks once, after a second: on a busy
    machine that may be too early, but not each time."""
    for _ in range(3):
        done = checkout.make("docker-compose-up", check=False, **variables)
        lines = dict(line.split(": ", 1) for line in done.stderr.splitlines() if ": Exited (" in line)
        assert (done.returncode != 0) == bool(lines), done.stderr
        if lines.keys() == names:
            return lines
    raise AssertionError(done.stderr)


def test_up_fails_with_the_words_of_what_has_ended(short):
    short.edit("server/config.ini", "LOGGING_LEVEL", "LOUD")
    short.edit("client/config.yaml", "amount", "many")
    lines = failures(short, {"server", "client1", "client2"}, CLIENTS="2")
    for name, file, value in [("server", "ini", "LOUD"), ("client1", "yaml", "many"), ("client2", "yaml", "many")]:
        assert all(word in lines[name] for word in ["Exited (2)", f"./config.{file}:", f'"{value}" is not']), lines


def test_several_files_and_a_log_that_nobody_can_read(short):
    """COMPOSE_FILE is Compose's own variable. A log driver may keep its lines to itself."""
    short.generate(1)
    override = "services:\n  server:\n    logging: {driver: none}\n  client1:\n    logging: {driver: none}\n"
    (short.directory / "other.yaml").write_text(override)
    files = {"COMPOSE_FILE": "docker-compose-dev.yaml:other.yaml"}
    short.make("docker-compose-up", **files)
    assert containers() == ["client1", "server"]
    assert inspect("server")["HostConfig"]["LogConfig"]["Type"] == "none"
    short.edit("client/config.yaml", "amount", "many")
    assert "Exited (2)" in failures(short, {"client1"}, **files)["client1"]
    assert not list(short.directory.glob("*:*"))


def test_a_failure_of_compose_names_the_next_step(long):
    """Here, a container of somebody else's has a name of ours: Docker says so."""
    docker("run", "--detach", "--name", "client1", "busybox", "sleep", "3600")
    done = long.make("docker-compose-up", "CLIENTS=1", check=False)
    assert done.returncode != 0 and "client1" in done.stderr and "already in use" in done.stderr
    assert "make docker-compose-down" in done.stderr


def test_no_engine(checkout):
    for target in ["docker-compose-up", "docker-compose-logs", "docker-compose-down"]:
        checkout.refused(target, "/nowhere", f"{target}: install Docker, start it", DOCKER_HOST="unix:///nowhere")


def test_with_busybox_and_without_run_bits(short, applets):
    """As on Alpine, from a ZIP file: the commands of exercises 1 to 3, with FILE and CLIENTS named."""
    for script in [*short.directory.glob("*.sh"), *short.directory.glob("docker/*.sh")]:
        script.chmod(0o644)
    variables = {"PATH": applets, "COMPOSE_FILE": "out"}
    short.run("sh", "generar-compose.sh", "out", 2, **variables)
    short.make("docker-compose-up", **variables)
    assert containers() == ["client1", "client2", "server"]
    validated = short.run("sh", "validar-echo-server.sh", check=False, **variables)
    assert validated.stdout == "action: test_echo_server | result: success\n", validated.stderr
    wait_for_clients(2)
    docker("stop", "server")
    logged = short.make("docker-compose-logs", **variables).stdout
    assert "[CLIENT 2] Message N°1" in logged and "action: accept_connections" in logged
    (short.directory / "server/config.ini").chmod(0o600)
    short.refused("docker-compose-up", "chmod o+r", **variables)
    assert short.make("docker-compose-down", **variables).stdout.endswith("nothing is left\n")
    assert containers() == [] and NETWORK not in networks()
    assert not (short.directory / "docker-compose-dev.yaml").exists()
