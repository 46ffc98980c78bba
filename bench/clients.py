"""What a message costs a client."""

import contextlib
import os
import time

import machine
import measure
from machine import LOAD_CPUS, SERVER_CPU
from measure import WORK, Failure, Server

# The start is in there too: less than a hundredth of it all.
SLICES, MESSAGES = 9, 1500


def compare(clients, server, rounds):
    """Side by side, as the servers are."""
    figures = {name: [] for name in clients}
    for _ in rounds:
        slices = {name: [] for name in clients}
        for number in range(SLICES):
            for name in measure.in_turn(clients, number):
                slices[name].append(run(clients[name], server))
        for name, taken in slices.items():
            turn = {key: measure.middle(taken, key) for key in taken[0]}
            if "Go" in slices:
                turn["ratio"] = measure.ratio(taken, slices["Go"])
            figures[name].append(turn)
    return {name: measure.summaries(turns) for name, turns in figures.items()}


def run(command, server_command):
    """A client's whole run against a server, and what it has taken."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(server_command, cpus=LOAD_CPUS[-1:]))
        log = stack.enter_context(open(WORK / "client.log", "wb"))
        # The program itself and not taskset is what is waited for, so that only its time counts.
        sent, before = machine.segments(), os.sched_getaffinity(0)
        os.sched_setaffinity(0, SERVER_CPU)
        variables = environment(server.port, MESSAGES)
        client = stack.enter_context(
            measure.running(command, env=variables, cwd=WORK, stdout=log, stderr=log)
        )
        os.sched_setaffinity(0, before)
        resident = 0
        while True:
            pid, status, usage = os.wait4(client.pid, os.WNOHANG)
            if pid:
                break
            with contextlib.suppress(OSError, TypeError):
                resident = max(resident, machine.resident(client.pid))
            time.sleep(0.02)
        client.returncode = os.waitstatus_to_exitcode(status)
        if client.returncode:
            raise Failure(f"{command}: ended with {client.returncode}")
        time.sleep(measure.SETTLE)
        return {
            "cpu_us": (usage.ru_utime + usage.ru_stime) / MESSAGES * 1e6,
            "segments": (machine.segments() - sent) / MESSAGES,
            "resident": resident,
        }


def environment(port, messages):
    return {
        "PATH": os.environ["PATH"],
        "CLI_ID": "1",
        "CLI_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "CLI_LOOP_AMOUNT": str(messages),
        "CLI_LOOP_PERIOD": "0s",
        "CLI_LOG_LEVEL": "INFO",
    }
