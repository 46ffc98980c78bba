import io
import json
import subprocess
import tarfile

import pytest
from engine import ROOT, Checkout, docker, image_id, inspect, run


def files(image):
    """The paths of all layers, read from the saved image: a container would add the engine's own."""
    saved = subprocess.run(["docker", "save", image], check=True, capture_output=True).stdout
    archive = tarfile.open(fileobj=io.BytesIO(saved))
    (manifest,) = json.load(archive.extractfile("manifest.json"))
    layers = (tarfile.open(fileobj=archive.extractfile(layer)) for layer in manifest["Layers"])
    return sorted(member.name for layer in layers for member in layer)


def test_holds_three_programs_and_nothing_else(images):
    assert files("server:latest") == ["client", "gen", "server"]


@pytest.mark.parametrize("program", ["server", "client", "gen"])
def test_programs_need_no_library(images, program):
    """An image without a loader runs only static programs."""
    run(*f"docker run --rm --network none --entrypoint /{program} server:latest --version".split())


def test_is_small(images, capsys):
    size = inspect("server:latest")["Size"]
    with capsys.disabled():
        print(f"\nthe image has {size / 1e6:.2f} MB", end="")
    assert size < 1.2e6


def test_is_not_root_and_has_a_label_and_no_settings(images):
    config = inspect("server:latest")["Config"]
    assert config["User"] == "65534:65534"
    assert config["Labels"]["org.opencontainers.image.title"] == "tp0"
    assert [name for name in config["Env"] if not name.startswith("PATH=")] == []
    assert not config.get("Volumes") and not config.get("ExposedPorts")


def test_has_both_names(images):
    assert image_id("server:latest") == image_id("client:latest") != ""


def test_builds_from_a_clean_clone(images, tmp_path):
    """The commands that the course's tests use, on what git knows and nothing more."""
    checkout = tmp_path / "checkout"
    Checkout(checkout)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    run("git", "init", "--quiet", cwd=checkout)
    run("git", "add", "--all", cwd=checkout)
    run("git", *author, "commit", "--quiet", "--message", "all of it", cwd=checkout)
    run("git", "clone", "--quiet", checkout, tmp_path / "clone")
    for name in ["server", "client"]:
        run("docker", "build", "-f", f"./{name}/Dockerfile", "-t", f"{name}:latest", ".", cwd=tmp_path / "clone")
    assert files("client:latest") == ["client", "gen", "server"]


def test_the_base_images_are_left_alone(images):
    """Asked for again, an image that is there is not pulled, not made and not replaced."""
    names = ["rust:1.85-alpine", "busybox"]
    before = [image_id(name) for name in names]
    assert run(ROOT / "docker/base-images.sh", *names).stdout == ""
    assert [image_id(name) for name in names] == before
    assert docker("run", "--rm", "--network", "none", "busybox", "echo", "still there") == "still there"
