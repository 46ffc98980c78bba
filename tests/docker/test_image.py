import io
import json
import subprocess
import tarfile

import pytest
from engine import Checkout, image_id, inspect, run


def files(image):
    """The paths of all layers, read from the saved image: a container would add the engine's own."""
    saved = subprocess.run(["docker", "save", image], check=True, capture_output=True).stdout
    archive = tarfile.open(fileobj=io.BytesIO(saved))
    (manifest,) = json.load(archive.extractfile("manifest.json"))
    layers = (tarfile.open(fileobj=archive.extractfile(layer)) for layer in manifest["Layers"])
    return sorted(member.name for layer in layers for member in layer)


def test_holds_three_programs_and_nothing_else(images):
    assert files("server:latest") == ["client", "gen", "server"]
    assert image_id("server:latest") == image_id("client:latest")


@pytest.mark.parametrize("program", ["server", "client", "gen"])
def test_programs_need_no_library(images, program):
    """An image without a loader runs only static programs."""
    run(*f"docker run --rm --network none --entrypoint /{program} server:latest --version".split())


def test_is_small_not_root_and_has_no_settings(images, tell):
    image = inspect("server:latest")
    tell(f"the image has {image['Size'] / 1e6:.2f} MB")
    assert image["Size"] < 1.2e6
    config = image["Config"]
    assert config["User"] == "65534:65534"
    assert config["Labels"]["org.opencontainers.image.title"] == "tp0"
    assert [name for name in config["Env"] if not name.startswith("PATH=")] == []
    assert not config.get("Volumes") and not config.get("ExposedPorts")


def test_builds_from_a_clean_clone(images, tmp_path):
    """The commands that the course's tests use, on what git knows and nothing more."""
    clone = Checkout(tmp_path / "clone")
    for name in ["server", "client"]:
        clone.run("docker", "build", "-f", f"./{name}/Dockerfile", "-t", f"{name}:latest", ".")
    assert files("client:latest") == ["client", "gen", "server"]
