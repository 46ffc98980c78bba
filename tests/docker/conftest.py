import os
import signal

import engine
import nodes
import pytest

IMAGES = ["server:latest", "client:latest"]

# A shell starts `pytest &` with SIGINT ignored, and the scripts would keep it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line("markers", "compose: what runs Compose, whose versions differ")
    config.addinivalue_line("markers", "stack: what runs Docker Swarm, on engines of its own")


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """server:latest and client:latest as make builds them. Afterwards the names are what they were."""
    if engine.run("docker", "version", check=False).returncode != 0:
        pytest.exit("tests/docker: no Docker engine answers: start Docker, or join the group docker", returncode=1)
    before = {name: engine.image_id(name) for name in IMAGES}
    directory = tmp_path_factory.mktemp("images")
    built = engine.Checkout(directory).make("docker-image", check=False)
    if built.returncode != 0:  # said once, not by each test that needs an image
        pytest.exit(f"tests/docker: make docker-image failed:\n{built.stdout}{built.stderr}", returncode=1)
    engine.run("sh", engine.ROOT / "docker/base-images.sh", "busybox")
    copy_from("server:latest", "/gen", directory / "gen")
    engine.Checkout.gen = directory / "gen"
    yield
    for name, identity in before.items():
        if identity:
            engine.docker("tag", identity, name)
        elif engine.image_id(name):
            engine.docker("rmi", name)
    if not any(before.values()):  # else the stage that compiles is left, for the next build
        for title in ("tp0", "tp0 build"):  # untagged by now
            engine.docker("image", "prune", "--force", "--filter", f"label=org.opencontainers.image.title={title}")


@pytest.fixture(scope="session")
def names_are_free(images):
    """Refuses to touch what others own. The stack runs on engines of its own, and does not need this."""
    if engine.containers() or engine.NETWORK in engine.networks():
        pytest.exit(
            "tests/docker: there is a network tp0_testing_net or a container named server or clientN"
            f" already ({', '.join(engine.containers())}): make docker-compose-down, or remove it",
            returncode=1,
        )


def copy_from(image, path, destination):
    """Copies a file out of an image."""
    container = engine.docker("create", image, "none")
    engine.docker("cp", f"{container}:{path}", destination)
    engine.docker("rm", container)


@pytest.fixture
def checkout(names_are_free, tmp_path):
    yield engine.Checkout(tmp_path / "a ñ checkout")  # the space and the ñ are part of the test
    engine.remove_everything()


@pytest.fixture
def network(names_are_free):
    """The network without Compose, for containers that are started by hand."""
    engine.docker("network", "create", engine.NETWORK)
    yield
    engine.remove_everything()


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


@pytest.fixture(scope="session")
def applets(images, tmp_path_factory):
    """A PATH in which BusyBox's commands go before this machine's."""
    directory = tmp_path_factory.mktemp("applets")
    copy_from("busybox", "/bin/busybox", directory / "busybox")
    for name in engine.run(directory / "busybox", "--list").stdout.split():
        if name != "busybox":
            (directory / name).symlink_to("busybox")
    return f"{directory}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def machines():
    """Engines in namespaces, for Docker Swarm."""
    if reason := nodes.why_not():
        pytest.skip(f"NOT TESTED: engines in network namespaces of their own: {reason}")
    machines = nodes.Machines()
    try:
        yield machines
    finally:
        machines.remove()


@pytest.fixture(scope="session")
def image_file(images, tmp_path_factory):
    """The images, for another engine to load."""
    file = tmp_path_factory.mktemp("images") / "images.tar"
    engine.docker("save", "--output", file, *IMAGES, "busybox")
    return file


@pytest.fixture
def tell(capsys):
    """Prints a measurement, whether the test passes or fails."""

    def tell(text):
        with capsys.disabled():
            print(f"\n{text}")

    return tell
