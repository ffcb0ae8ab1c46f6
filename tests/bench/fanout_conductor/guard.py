"""Counts the instructions of the client path and of the store's scan, and compares with the recorded ones.

Counts depend on the libraries and the compiler, so there is a baseline for each of their versions.
Where none is recorded the figures are told and nothing is judged.
"""

import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import types

import callgrind
import machine
from world import BINARIES, World

BASELINE = pathlib.Path(__file__).resolve().parents[1] / "instructions.json"
TOLERANCE = 0.05  # of the recorded count
# (few, many) devices; many enough that a page or a flush more or less does not show.
CLIENT_DEVICES = (2_048, 10_240)
SCAN_DEVICES = (20_480, 307_200)


def library_version(name):
    ran = subprocess.run(["pkg-config", "--modversion", name], capture_output=True, text=True,
                         check=True)
    return ".".join(re.split(r"[.\-+]", ran.stdout.strip())[:2])


def environment():
    """What counts depend on: patch versions change them by little, minor ones may by much."""
    compiler = subprocess.run(["c++", "-dumpversion"], capture_output=True, text=True, check=True)
    return " ".join([platform.machine(), f"gcc {compiler.stdout.strip().split('.')[0]}",
                     f"glibc {platform.libc_ver()[1]}",
                     *(f"{shown} {library_version(name)}" for shown, name in (
                         ("nghttp2", "libnghttp2"), ("openssl", "openssl"),
                         ("sqlite", "sqlite3")))])


def count_client(folder):
    """The client path, from submitted batch to verdict: requests, HTTP/2, TLS, the socket."""
    place = folder / "client"
    place.mkdir()
    core, simulator_core = machine.two_cores()
    settings = types.SimpleNamespace(connections=1, streams_apns=1000, streams_fcm=100, rtt_ms=0,
                                     sender_core=core, simulator_core=simulator_core)
    world = World(place, "apns", CLIENT_DEVICES[1], settings, with_relay=False)
    try:
        tokens = place / "tokens"
        lines = world.device_lines(CLIENT_DEVICES[1])
        tokens.write_text("".join(
            json.loads(line)["token"] + "\n" for line in lines.stdout))
        lines.wait()
        return [callgrind.count(
            [BINARIES / "fanout_guard", "client", "--endpoint",
             f"https://127.0.0.1:{world.apns_port}", "--ca", world.credentials / "ca.pem", "--key",
             world.credentials / "apns.p8", "--key-id", "SIMKEY0001", "--team-id", "SIMTEAM001",
             "--tokens", tokens, "--devices", str(devices)], place / "callgrind.out")
            for devices in CLIENT_DEVICES]
    finally:
        world.stop()


def count_scan(folder):
    """The reading of an audience: pages of the store to positions and tokens."""
    store = folder / "scan.db"
    subprocess.run([BINARIES / "fanout_guard", "build", "--store", store, "--devices",
                    str(SCAN_DEVICES[1])], check=True, capture_output=True)
    counted = []
    for devices in SCAN_DEVICES:
        copy = folder / f"scan-{devices}.db"  # each run accepts its event into a store without one
        shutil.copy(store, copy)
        counted.append(callgrind.count([BINARIES / "fanout_guard", "scan", "--store", copy,
                                        "--devices", str(devices)], folder / "callgrind.out"))
    return counted


COUNTED = {"client_path": (count_client, CLIENT_DEVICES), "store_scan": (count_scan, SCAN_DEVICES)}


def difference(counts, devices):
    return (counts[1] - counts[0]) / (devices[1] - devices[0])


def judge(name, measured, recorded):
    """(holds, sentence). `recorded`: None where nothing is recorded."""
    said = f"{name}: {measured:,.0f} instructions a notification"
    if recorded is None:
        return True, f"{said}; none is recorded for these versions"
    change = measured / recorded - 1
    said += f", recorded {recorded:,.0f} ({change:+.1%})"
    if measured > recorded * (1 + TOLERANCE):
        return False, f"{said}: more than {TOLERANCE:.0%} above"
    if measured < recorded * (1 - TOLERANCE):
        return True, f"{said}: better, record it with tests/bench/guard --record"
    return True, said


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/guard", description=__doc__)
    parser.add_argument("--record", action="store_true",
                        help=f"write what is counted into {BASELINE.name}")
    settings = parser.parse_args()
    if not callgrind.available():
        print("tests/bench/guard: valgrind is missing; deploy/install-deps --tests installs it",
              file=sys.stderr)
        return 1
    recorded = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    here = environment()
    print(here)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="carillon-guard-"))
    measured, failed = {}, 0
    try:
        for name, (counter, devices) in COUNTED.items():
            measured[name] = round(difference(counter(folder), devices), 1)
            holds, said = judge(name, measured[name], recorded.get(here, {}).get(name))
            failed += not holds
            print(said, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if settings.record:
        recorded[here] = measured
        BASELINE.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
        return 0
    print(f"{len(measured) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
