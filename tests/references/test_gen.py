"""gen's output as the Compose tools of this machine read it: each there is, and at least one."""

import shutil
import subprocess

import pytest
import yaml

TOOLS = [["docker-compose"], ["docker", "compose"]]
ODD_ROOT = "/srv/tp 0/a \"b\" 'c' $HOME ${PATH} #d: {e} [f] \\n ñ 日本\t%"


def works(tool):
    return shutil.which(tool[0]) and subprocess.run([*tool, "version"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def tools():
    found = [tool for tool in TOOLS if works(tool)]
    if not found:
        pytest.fail("no Compose to read the file with: install docker-compose")
    return found


@pytest.fixture
def read(tools, built, tmp_path):
    """Each tool's reading of the file that gen prints for these arguments."""

    def read(*arguments):
        file = tmp_path / "compose.yaml"
        file.write_bytes(subprocess.run([built["gen"], *arguments], check=True, stdout=subprocess.PIPE).stdout)
        for tool in tools:
            command = [*tool, "--file", file, "config"]
            config = subprocess.run(command, capture_output=True, text=True)
            assert (config.returncode, config.stderr) == (0, ""), f"{tool}: {config.stderr}"
            yield yaml.safe_load(config.stdout)

    return read


def container(name, source, target, **more):
    image = name.rstrip("0123456789")
    return {
        "container_name": name,
        "image": f"{image}:latest",
        "entrypoint": f"/{image}",
        "networks": ["testing_net"],
        "volumes": [{"type": "bind", "source": source, "target": target, "read_only": True}],
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **more,
    }


def expected(count, root):
    services = {"server": container("server", f"{root}/server/config.ini", "/config.ini")}
    for id in range(1, count + 1):
        services[f"client{id}"] = container(
            f"client{id}",
            f"{root}/client/config.yaml",
            "/config.yaml",
            environment={"CLI_ID": str(id)},
            depends_on=["server"],
        )
    return services


def normal(service):
    """What the tools print in different forms, in one: the keys that say nothing are left out."""
    if isinstance(service["entrypoint"], list):
        (service["entrypoint"],) = service["entrypoint"]
    for key in ("networks", "depends_on"):
        if key in service:
            service[key] = list(service[key])
    for volume in service["volumes"]:
        if volume.get("bind") in ({}, {"create_host_path": True}):
            del volume["bind"]
    return {key: value for key, value in service.items() if value is not None}


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_services(read, tmp_path, count):
    for config in read(str(count)):
        services = {name: normal(service) for name, service in config["services"].items()}
        assert services == expected(count, tmp_path)
        assert config["networks"]["testing_net"]["name"] == "tp0_testing_net"


@pytest.mark.parametrize("root", ["/", "/srv/tp0", "/srv/tp0/", ODD_ROOT])
def test_root(read, root):
    for config in read("--root", root, "2"):
        services = {name: normal(service) for name, service in config["services"].items()}
        # `config` prints a file to be read again: each "$" doubled.
        assert services == expected(2, root.rstrip("/").replace("$", "$$"))
