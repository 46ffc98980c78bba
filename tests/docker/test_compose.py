from engine import (
    containers,
    eventually,
    exited,
    image_id,
    inspect,
    logs,
    networks,
    remove_everything,
    wait_for_clients,
)


def test_five_clients_finish_their_loops(checkout):
    checkout.loop(amount=5, period="50ms")
    checkout.generate(5)
    checkout.compose("config", "--quiet")
    checkout.make("docker-compose-up")
    wait_for_clients(5)
    for number in range(1, 6):
        name = f"client{number}"
        assert inspect(name)["State"]["ExitCode"] == 0, logs(name)
        assert f"action: loop_finished | result: success | client_id: {number}" in logs(name)
        for message in range(1, 6):
            assert f"msg: [CLIENT {number}] Message N°{message}" in logs("server")
    assert logs("server").count("action: receive_message | result: success") == 25
    assert not exited("server")


def test_no_client_at_all(checkout):
    checkout.generate(0)
    checkout.make("docker-compose-up")
    eventually(lambda: "accept_connections" in logs("server"), "the server listens")
    assert containers() == ["server"]


def test_containers_have_the_least_privilege(checkout):
    checkout.loop(amount=1, period="0s")
    checkout.generate(1)
    checkout.make("docker-compose-up")
    for name in ["server", "client1"]:
        container = inspect(name)
        assert container["Config"]["User"] == "65534:65534"
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert any("no-new-privileges" in option for option in host["SecurityOpt"])
        assert [mount["RW"] for mount in container["Mounts"]] == [False]
        assert not host["PortBindings"]
        settings = [entry for entry in container["Config"]["Env"] if not entry.startswith("PATH=")]
        assert settings == ([] if name == "server" else ["CLI_ID=1"])
    assert "tp0_testing_net" in networks()


def test_an_edit_takes_effect_at_the_next_start(checkout):
    checkout.loop(amount=1, period="0s")
    checkout.generate(1)
    checkout.make("docker-compose-up")
    wait_for_clients(1)
    before = image_id("server:latest")
    checkout.edit("server/config.ini", "SERVER_PORT", 23456)
    checkout.edit("server/config.ini", "LOGGING_LEVEL", "DEBUG")
    checkout.edit("client/config.yaml", "address", '"server:23456"')
    checkout.loop(amount=3, period="10ms")
    checkout.compose("restart")
    eventually(lambda: "N°3" in logs("client1"), "the edited loop runs")
    assert "| port: 23456 |" in logs("server") and "logging_level: DEBUG" in logs("server")
    assert "server_address: server:23456 | loop_amount: 3 | loop_period: 10ms" in logs("client1")
    assert image_id("server:latest") == before


def test_the_file_may_be_anywhere(checkout, tmp_path):
    """The sources are absolute then, for Compose would seek them beside the file."""
    checkout.loop(amount=1, period="0s")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    checkout.run("./generar-compose.sh", elsewhere / "compose.yaml", 1)
    (checkout.directory / "docker-compose-dev.yaml").symlink_to(elsewhere / "compose.yaml")
    checkout.compose("up", "-d")
    wait_for_clients(1)
    assert inspect("client1")["State"]["ExitCode"] == 0, logs("client1")


def test_a_second_start_needs_no_cleaning(checkout):
    checkout.loop(amount=1, period="0s")
    checkout.generate(1)
    for _ in range(2):
        checkout.make("docker-compose-up")
        wait_for_clients(1)
        checkout.make("docker-compose-down")
    assert containers() == []
    remove_everything()
