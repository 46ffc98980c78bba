"""Docker engines of the tests' own, each in a network namespace as if on a machine of its own.

All namespaces hang on a bridge that is in one too: nothing of the host's network changes, and an engine that is
there already never notices.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import engine

LIMIT = 300  # seconds for any one command: an engine can hang
SETTINGS = Path("/etc/docker/daemon.json")
PER_ENGINE = ("data-root", "exec-root", "hosts", "pidfile", "insecure-registries")


def why_not():
    """Why this machine can have no such engines, or nothing."""
    for program in ["dockerd", "docker-registry", "ip"]:
        if not shutil.which(program):
            return f"there is no {program}"
    return engine.run("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "true", check=False).stderr.strip()


def ip(*arguments):
    engine.run("ip", *arguments)


class Machines:
    """A bridge, and what hangs on it. Everything bears a name of its own, and `remove` removes all of it."""

    def __init__(self):
        self.name = f"tp0-{secrets.token_hex(2)}"
        # Not below pytest's directory: a socket's path has to be short.
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/var/tmp"))
        self.namespaces = []
        self.processes = []
        self.nodes = []
        self.bridge = self.namespace("bridge")
        ip("-n", self.bridge, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.bridge, "link", "set", "bridge", "up")

    def namespace(self, name):
        namespace = f"{self.name}-{name}"
        ip("netns", "add", namespace)
        self.namespaces.append(namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        return namespace

    def machine(self, name, address):
        """A namespace on the bridge, whose port there has the same name."""
        namespace = self.namespace(name)
        ip("-n", self.bridge, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("-n", self.bridge, "link", "set", name, "master", "bridge", "up")
        ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        return namespace

    def link(self, name, state):
        """Takes a machine off the network, or back."""
        ip("-n", self.bridge, "link", "set", name, state)

    def start(self, namespace, log, *command, **options):
        # Whatever ends the tests ends it too.
        inside = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{namespace}", "--", *command]
        with open(self.directory / log, "w") as output:
            process = subprocess.Popen(inside, stdout=output, stderr=subprocess.STDOUT, **options)
        self.processes.append(process)
        return process

    def registry(self, address, port=5000):
        """Debian's docker-registry, and where it is."""
        settings = self.directory / "registry.yml"
        storage = {"filesystem": {"rootdirectory": str(self.directory / "registry")}}
        http = {"addr": f"{address}:{port}"}
        settings.write_text(json.dumps({"version": 0.1, "storage": storage, "http": http}))
        self.start(self.machine("registry", address), "registry.log", "docker-registry", "serve", settings)
        return f"{address}:{port}"

    def node(self, name, address, registry=None):
        node = Node(self, name, address, registry)
        self.nodes.append(node)
        engine.eventually(node.ready, f"the engine of {name} answers")
        return node

    def remove(self):
        for node in self.nodes:  # so that its containers leave no control group behind
            node.docker("swarm", "leave", "--force", check=False)
            for container in node.docker("ps", "--all", "--quiet", check=False).split():
                node.docker("rm", "--force", container, check=False)
        for process in self.processes:
            process.kill()
            process.wait()
        for namespace in reversed(self.namespaces):
            ip("netns", "delete", namespace)
        subprocess.run(["rm", "-r", "--force", "--one-file-system", self.directory], check=True)


class Node:
    """An engine in a namespace, with the settings of the machine's own but for where it keeps its files."""

    def __init__(self, machines, name, address, registry):
        directory = machines.directory / name
        directory.mkdir()
        self.name, self.address = name, address
        self.host = f"unix://{directory}/docker.sock"
        settings = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
        settings = {key: value for key, value in settings.items() if key not in PER_ENGINE}
        environment = dict(os.environ)
        if registry:
            settings["insecure-registries"] = [registry]
        else:
            # Otherwise it asks the registry for an image that is loaded, and waits for an answer.
            environment["DOCKER_SERVICE_PREFER_OFFLINE_IMAGE"] = "1"
        (directory / "daemon.json").write_text(json.dumps(settings))
        # A /run of its own: engines share sockets of containerd's and libnetwork's there.
        script = 'hostname "$0" && mount -t tmpfs tmpfs /run && exec dockerd "$@"'
        self.log = machines.directory / f"{name}.log"
        self.process = machines.start(
            machines.machine(name, address), f"{name}.log",
            "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, name,
            "--config-file", directory / "daemon.json", "--host", self.host, "--data-root", directory / "data",
            "--exec-root", directory / "exec", "--pidfile", directory / "pid", env=environment,
        )  # fmt: skip

    def ready(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return self.run("docker", "version", check=False).returncode == 0

    def run(self, *command, check=True, **options):
        """Runs a command that finds this engine in its environment."""
        environment = {**os.environ, "DOCKER_HOST": self.host, **options.pop("env", {})}
        return engine.run("timeout", LIMIT, *command, check=check, env=environment, **options)

    def docker(self, *arguments, check=True):
        return self.run("docker", *arguments, check=check).stdout.strip()


class Stack(engine.Checkout):
    """A copy of the repository on the machine of a swarm's manager."""

    def __init__(self, directory, nodes):
        super().__init__(directory)
        self.nodes = nodes
        self.manager = nodes[0]
        self.environment = {}

    def run(self, *command, check=True):
        return self.manager.run(*command, check=check, cwd=self.directory, env=self.environment)

    def make(self, *words, check=True):
        """The images are there already: an engine without a way out could not build them."""
        return self.run("make", "--old-file=docker-image", *words, check=check)

    def up(self, clients, *words):
        """Deploys a file of so many clients, with settings that the tests' editing has made."""
        (self.directory / "docker-stack.yaml").unlink(missing_ok=True)
        return self.make("docker-stack-up", f"CLIENTS={clients}", *words)

    def tasks(self, service):
        """The tasks of a service as (number, identity, node, state), those not counted that it has no more use for."""
        columns = "{{.Name}}|{{.ID}}|{{.Node}}|{{.CurrentState}}|{{.DesiredState}}"
        listed = self.manager.docker("service", "ps", "--no-trunc", "--format", columns, f"tp0_{service}").splitlines()
        rows = [line.split("|") for line in listed]
        return [
            (int(name.rsplit(".", 1)[1]), task, node, state.split()[0])
            for name, task, node, state, desired in rows
            if desired != "Remove"
        ]

    def running(self, service):
        """The nodes on which it runs, as the manager knows it."""
        return [node for _, _, node, state in self.tasks(service) if state == "Running"]

    def runs_everywhere(self):
        return set(self.running("client")) == {node.name for node in self.nodes}

    def finish(self, clients, amount):
        """Waits until each client has finished, and has had each of its echoes, if not in one container.

        Returns the texts of all containers."""
        numbers = set(range(1, clients + 1))
        done = lambda: {number for number, _, _, state in self.tasks("client") if state == "Complete"}
        engine.eventually(lambda: done() == numbers, "all clients are Complete", 180)
        logs = self.logs("client")
        assert logs.keys() == numbers
        for number, texts in logs.items():
            line = rf"receive_message \| result: success .*\[CLIENT {number}\] Message N°(\d+)"
            echoes = {int(k) for text in texts for k in re.findall(line, text)}
            assert echoes == set(range(1, amount + 1)), texts
            assert any("action: loop_finished | result: success" in text for text in texts), texts
            assert not any("result: fail" in text for text in texts), texts
        return [text for texts in logs.values() for text in texts]

    def logs(self, service):
        """By number, asked of each engine, because `docker service logs` of 20.10 loses lines."""
        texts = {}
        tasks = {task: number for number, task, _, _ in self.tasks(service)}
        for node in self.nodes:
            for name in node.docker("ps", "--all", "--format", "{{.Names}}").split():
                task = name.rsplit(".", 1)[-1]
                if task in tasks:
                    done = node.run("docker", "logs", name)
                    if text := done.stdout + done.stderr:  # one that could not start has none
                        texts.setdefault(tasks[task], []).append(text)
        return texts

    def left(self):
        """What there is of the stack, on any node."""
        manager = self.manager
        found = manager.docker("service", "ls", "--quiet").split() + manager.docker("config", "ls", "--quiet").split()
        for node in self.nodes:
            found += node.docker("ps", "--all", "--quiet").split()
            found += [name for name in node.docker("network", "ls", "--format", "{{.Name}}").split() if "tp0" in name]
        return found
