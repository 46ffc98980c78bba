"""System calls and instructions of a connection, as strace and valgrind count them."""

import contextlib
import re
import subprocess
import time

import clients
import machine
import measure
import programs
from machine import LOAD_CPUS
from measure import WORK, Failure, Server

# Neither the first connections nor the end of a program belongs to what one more connection costs.
FEW, MANY = 500, 2500
CALLS, INSTRUCTIONS = WORK / "strace", WORK / "callgrind"
STRACE = ["strace", "-f", "-c", "-U", "calls,name", "-o", CALLS]
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={INSTRUCTIONS}"]


def each(few, many):
    return (many - few) / (MANY - FEW)


def has_strace():
    if programs.output("strace", "true", "--version"):
        return True
    programs.say("no strace, or not permitted: system calls are not counted")
    return False


def server_calls(servers):
    """By name, with many connections in flight and with one."""
    figures = {}
    for name, command in servers.items():
        machine.progress(f"system calls: {name}")
        figures[name] = {}
        for in_flight in (measure.IN_FLIGHT, 1):
            few, many = (calls(command, connections, in_flight) for connections in (FEW, MANY))
            figures[name][str(in_flight)] = {call: each(few.get(call, 0), count) for call, count in many.items()}
    return figures


def client_calls(commands, server):
    """All of a message's."""
    return {
        name: each(*(all_calls(command, server, messages) for messages in (FEW, MANY)))
        for name, command in commands.items()
    }


def calls(command, connections, in_flight):
    with Server(command, wrapper=STRACE) as server:
        server.load(connections, in_flight=in_flight)
        time.sleep(measure.SETTLE)
    return counted()


def all_calls(command, server_command, messages):
    with Server(server_command, cpus=LOAD_CPUS[-1:]) as server:
        variables = clients.environment(server.port, messages)
        command = [*STRACE, *command]
        with measure.running(command, env=variables, stdout=subprocess.DEVNULL) as client:
            if client.wait(60):
                raise Failure(f"{command}: ended with {client.returncode}")
    return sum(counted().values())


def counted():
    lines = re.findall(r"^ *(\d+) (\w+)$", CALLS.read_text(), re.MULTILINE)
    return {call: int(count) for count, call in lines if call != "total"}


def instructions(servers):
    """Of user space."""
    if not programs.output("valgrind", "--version"):
        programs.say("no valgrind: instructions are not counted")
        return {}
    figures = {}
    for name, command in servers.items():
        machine.progress(f"instructions: {name}")
        # Valgrind does not know every runtime: Go's is beyond it.
        with contextlib.suppress(Failure, TypeError):
            figures[name] = each(*(executed(command, connections) for connections in (FEW, MANY)))
    return figures


def executed(command, connections):
    with Server(command, wrapper=VALGRIND) as server:
        server.load(connections)
        time.sleep(measure.SETTLE)
    return int(re.search(r"Collected : (\d+)", INSTRUCTIONS.read_text())[1])
