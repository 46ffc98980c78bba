"""Builds what is compared: the program, its peers, the yardstick and the load generator."""

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys

from measure import BUILT, HERE

ROOT = HERE.parent
IMAGE = "tp0-bench"
BASE_IMAGE = "rust:1.85-alpine"
VENV = HERE / "target/venv"


def say(text):
    print(f"bench: {text}", flush=True)


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, **options)


def output(*command):
    """What a command prints; nothing when there is no such command, or it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return run(*command, capture_output=True, text=True).stdout.strip()
    return ""


def build_tools():
    """The load generator, the tokio server and the yardsticks."""
    target = {**os.environ, "CARGO_TARGET_DIR": str(HERE / "target")}
    run("cargo", "build", "--quiet", "--release", "--locked", cwd=HERE, env=target)
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        sys.exit("bench: no C compiler, and without the yardstick there is nothing to compare with")
    for name in ("yardstick", "yardstick_client", "accept"):
        run(compiler, "-O2", "-pthread", "-o", BUILT / name, HERE / f"{name}.c")


def build_peers():
    """Commands of the peers, as far as there is a toolchain for them."""
    servers = {"tokio": [BUILT / "echo-tokio"], "Python": [sys.executable, HERE / "peers/server.py"]}
    clients = {}
    if shutil.which("go"):
        for name in ("server", "client"):
            flags = ["-trimpath", "-ldflags=-s -w", "-o", BUILT / f"go-{name}"]
            run("go", "build", *flags, HERE / f"peers/{name}.go", cwd=HERE)
        servers["Go"] = [BUILT / "go-server"]
        clients["Go"] = [BUILT / "go-client"]
    else:
        say("no go command: the Go server and the Go client are skipped")
    return servers, clients


def build_program():
    """The directory with our programs, and what they are: the static build of the image where it can be
    had, for that is what runs in the end."""
    target = musl_target()
    if target:
        say(f"building the program for {target}")
        return cargo_build(ROOT, target)
    if output("docker", "image", "inspect", BASE_IMAGE):
        say("building the program's image")
        try:
            return image_build()
        except subprocess.CalledProcessError as error:
            say(f"the image could not be built: {(error.stderr or b'').decode().strip()[-500:]}")
    say("neither a musl target nor the image to be had: measuring the dynamically linked build")
    return cargo_build(ROOT, None)


def musl_target():
    """The target of the static build, None if it is not installed."""
    target = f"{platform.machine()}-unknown-linux-musl"
    libraries = output("rustc", "--print", "target-libdir", "--target", target)
    return target if libraries and pathlib.Path(libraries).is_dir() else None


def cargo_build(source, target):
    directory = HERE / "target/program"
    options = ["--target", target] if target else []
    environment = {**os.environ, "CARGO_TARGET_DIR": str(directory)}
    run("cargo", "build", "--quiet", "--release", "--locked", *options, cwd=source, env=environment)
    kind = "static, musl" if target else "dynamically linked, glibc"
    return directory / (target or "") / "release", f"{kind}, {output('rustc', '--version')}"


def build_commit(commit):
    """The directory with the programs of a commit, kept for the next time."""
    name = run("git", "rev-parse", "--verify", f"{commit}^{{commit}}", cwd=ROOT, capture_output=True, text=True)
    directory = HERE / "target/commits" / name.stdout.strip()
    if not (directory / "gen").exists():
        source = directory / "source"
        source.mkdir(parents=True, exist_ok=True)
        archive = run("git", "archive", name.stdout.strip(), cwd=ROOT, capture_output=True).stdout
        run("tar", "--extract", "--directory", source, input=archive)
        keep_build(source, directory)
    return directory


def build_tree(source):
    """The directory with the programs of a tree of sources as it is now."""
    name = str(source.resolve()).strip("/").replace("/", "-")
    return keep_build(source, HERE / "target/trees" / name)


def keep_build(source, directory):
    built, _ = cargo_build(source, musl_target())
    directory.mkdir(parents=True, exist_ok=True)
    for program in ("server", "client", "gen"):
        shutil.copy2(built / program, directory)
    return directory


def image_build():
    directory = HERE / "target/image"
    directory.mkdir(parents=True, exist_ok=True)
    run("docker", "build", "--quiet", "--tag", IMAGE, ROOT, capture_output=True)
    container = run("docker", "create", IMAGE, "/server", capture_output=True).stdout.decode().strip()
    for name in ("server", "client", "gen"):
        run("docker", "cp", f"{container}:/{name}", directory / name, capture_output=True)
    run("docker", "rm", container, stdout=subprocess.DEVNULL)
    run("docker", "rmi", IMAGE, stdout=subprocess.DEVNULL)
    compiler = output("docker", "run", "--rm", "--network", "none", BASE_IMAGE, "rustc", "--version")
    return directory, f"static, musl, out of the image, {compiler}"


def build_plotter():
    """A Python with matplotlib; None where it cannot be had."""
    python = VENV / "bin/python"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if not output(python, "-c", "import matplotlib; print('there')"):
            say("installing matplotlib in bench/target/venv")
            run(sys.executable, "-m", "venv", VENV, capture_output=True)
            requirements = HERE / "requirements.txt"
            pip = [python, "-m", "pip", "install", "--quiet", "--requirement", requirements]
            run(*pip, capture_output=True)
        return python
    say("matplotlib cannot be installed: no plot")
    return None


def build():
    """All of it, in a form that JSON can keep."""
    say("building the load generator and the peers (a minute, if they are new)")
    build_tools()
    peers, clients = build_peers()
    directory, kind = build_program()
    servers = {"yardstick": [BUILT / "yardstick"], "ours": [directory / "server"], **peers}
    clients = {"yardstick": [BUILT / "yardstick_client"], "ours": [directory / "client"], **clients}
    sizes = {name: (directory / name).stat().st_size for name in ("server", "client", "gen")}
    for name in ("echo-tokio", "go-server", "go-client"):
        if (BUILT / name).exists():
            sizes[name] = (BUILT / name).stat().st_size
    plotter = build_plotter()
    versions = {
        "Rust of the peers": output("rustc", "--version"),
        "Go": output("go", "version").removeprefix("go version "),
        "Python": platform.python_version(),
        "C": (output(os.environ.get("CC", "cc"), "--version").splitlines() or [""])[0],
    }
    return {
        "kind": kind,
        "servers": {name: list(map(str, command)) for name, command in servers.items()},
        "clients": {name: list(map(str, command)) for name, command in clients.items()},
        "gen": str(directory / "gen"),
        "sizes": sizes,
        "versions": {name: version for name, version in versions.items() if version},
        "plotter": str(plotter) if plotter else "",
    }
