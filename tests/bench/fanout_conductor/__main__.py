"""Starts simulator and relay, lets the relay and others send by turns, prints a table and an object."""

import argparse
import json
import math
import pathlib
import shutil
import sys
import tempfile

import callgrind
import figures
import growth
import instructions
import latency
import machine
import pairs
import publish
from progress import say
from senders import PLATFORMS, RelaySender, other_senders
from world import BINARIES, CHECKPOINT_INTERVAL_MS, MIXES, World

SIZES = [100_000, 1_000_000]
# A message costs sender and simulator fifty times as much as one that is not encrypted.
WEBPUSH_SIZES = [100_000]
WEBPUSH_SIZES_QUICK = [20_000]
# A run lasts about as long at this rate: what makes it one second or more is found by the warm-up.
RUN_SECONDS = 1.2
ROUNDS = 10
PARTS = {
    "growth": "only: 10,000 to 10 M devices, the relay alone",
    "latency": "only: 1,000 single-device events a second, alone and beside a bulk send",
    "publish": "only: durable publishes a second at 1, 8 and 64 clients",
}


def parse():
    parser = argparse.ArgumentParser(
        prog="tests/bench/fanout",
        description="Notifications a second and what one costs: the relay beside h2load and a "
                    "plain nghttp2 client, by turns, against the same simulator.")
    parser.add_argument("--case", action="append", choices=list(MIXES),
                        help="only this platform; may be repeated (default: all)")
    parser.add_argument("--devices", type=int, action="append", metavar="N",
                        help=f"may be repeated (default: {' and '.join(map(str, SIZES))}; "
                             f"{WEBPUSH_SIZES[0]} for Web Push)")
    parser.add_argument("--rounds", type=int, default=None, metavar="N",
                        help=f"pairs of runs (default: {ROUNDS})")
    parser.add_argument("--connections", type=int, default=4, metavar="N",
                        help="to each gateway, of every sender (default: 4)")
    parser.add_argument("--streams", type=int, default=None, metavar="N",
                        help="at once on a connection, for every sender (default: what the "
                             "platforms allow, APNs 1000, FCM and Web Push 100; FCM never more)")
    parser.add_argument("--rtt", type=int, default=0, metavar="MS",
                        help="the simulator keeps each answer for this long (default: 0)")
    parser.add_argument("--quick", action="store_true",
                        help="100,000 devices, three rounds: shows that it works, proves nothing")
    parser.add_argument("--no-instructions", action="store_true",
                        help="leave out callgrind, which takes a minute or two")
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain client")
    for part, said in PARTS.items():
        parser.add_argument(f"--{part}", action="store_true", help=said)
    parser.add_argument("--seconds", type=float, default=60, metavar="S",
                        help="of each phase of --latency (default: 60)")
    parser.add_argument("--folder", default=None, help="where the store goes (default: a new one)")
    parser.add_argument("--json", action="store_true", help="the figures as an object on the last line")
    settings = parser.parse_args()
    settings.case = settings.case or list(MIXES)
    settings.sizes = sorted(settings.devices or [])
    settings.devices = sorted(settings.devices or (SIZES[:1] if settings.quick else SIZES))
    settings.webpush_devices = settings.sizes or (
        WEBPUSH_SIZES_QUICK if settings.quick else WEBPUSH_SIZES)
    settings.growth_rounds = settings.rounds or (2 if settings.quick else growth.ROUNDS)
    settings.rounds = settings.rounds or (3 if settings.quick else ROUNDS)
    if min(settings.devices) < 1_000 or settings.rounds < 1 or settings.connections < 1:
        parser.error("at least 1000 devices, one round and one connection")
    settings.count_instructions = ("apns" in settings.case and callgrind.available() and
                                   not settings.quick and not settings.no_instructions)
    settings.streams_apns = settings.streams or 1000
    settings.streams_fcm = min(settings.streams or 100, 100)  # more is an error of the relay's config
    settings.streams_webpush = settings.streams or 100
    settings.rtt_ms = settings.rtt
    settings.checkpoint_interval_ms = CHECKPOINT_INTERVAL_MS
    settings.sender_core, settings.simulator_core = machine.two_cores()
    return settings


def measure(world, settings):
    """(rounds, senders): each round a Sample for each sender."""
    senders = [RelaySender(world)] + other_senders(
        world, not settings.no_plain and (BINARIES / "fanout_client").exists())
    relay = senders[0]
    first = relay.run()  # connections are made and grow, the files come into the page cache
    relay_warm = relay.run()
    events = 1 if settings.quick else max(1, math.ceil(RUN_SECONDS * relay_warm.per_second / first.count))
    rounds = []
    for number, order in pairs.turns(senders, settings.rounds):
        samples = {}
        for sender in order:
            say(f"round {number + 1} of {settings.rounds}: {sender.name}")
            samples[sender.name] = sender.run(events)
        rounds.append(samples)
    return rounds, senders, events


def in_world(folder, devices, settings, measured, **options):
    place = folder / "world"
    place.mkdir()
    world = World(place, "apns", devices, settings, **options)
    try:
        RelaySender(world).run()
        return measured(world)
    finally:
        world.stop()
        shutil.rmtree(place, ignore_errors=True)


def run_parts(folder, settings):
    """Those of PARTS that were asked for: (lines, object)."""
    said, made = [], {}
    if settings.growth:
        sizes, dropped = growth.measure(folder, "apns", settings.sizes or growth.SIZES, settings)
        said += growth.lines(sizes, dropped)
        made["growth"] = {"sizes": [vars(size) for size in sizes], "spread": growth.spread(sizes),
                          "memory_spread": growth.memory_spread(sizes)}
    if settings.latency:
        devices = 100_000 if settings.quick else 1_000_000
        # 16 KiB a single-device event in the simulator's journal, besides what a bulk send takes.
        phases = in_world(folder, devices, settings, lambda world: [
            latency.measure(world, "alone", settings.seconds, False),
            latency.measure(world, f"beside bulk events to {devices:,} devices", settings.seconds,
                            True)],
            journal_mib=int(settings.seconds * 2 * latency.RATE / 64) + 2048)
        said += latency.lines(phases)
        made["latency"] = [vars(phase) for phase in phases]
    if settings.publish:
        publishes = in_world(folder, 1_000, settings, publish.measure_all)
        said += publish.lines(publishes)
        made["publish"] = {str(one.clients): one.per_second for one in publishes}
    return said, made


def wants_h2load(settings):
    if any(getattr(settings, part) for part in PARTS):
        return settings.publish
    return any(case in PLATFORMS for case in settings.case)


def main():
    settings = parse()
    if wants_h2load(settings) and shutil.which("h2load") is None:
        print("tests/bench/fanout: h2load is missing; deploy/install-deps --bench installs it",
              file=sys.stderr)
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="carillon-fanout-", dir=settings.folder))
    lines = machine.describe(folder) + figures.describe_settings(settings)
    print("\n".join(lines), "\n")
    if any(getattr(settings, part) for part in PARTS):
        try:
            said, made = run_parts(folder, settings)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print("\n".join(said))
        if settings.json:
            print(json.dumps(made))
        return 0
    rows, counted = [], {}
    try:
        for case in settings.case:
            for devices in settings.webpush_devices if case == "webpush" else settings.devices:
                place = folder / f"{case}-{devices}"
                place.mkdir()
                say(f"{case}, {devices:,} devices")
                world = World(place, case, devices, settings)
                try:
                    rounds, senders, events = measure(world, settings)
                    rows.append(figures.Row.made_of(case, devices, events, rounds, senders,
                                                    machine.resident_peak_mib(world.relay.pid)))
                finally:
                    world.stop()
                    shutil.rmtree(place, ignore_errors=True)
        if settings.count_instructions:
            say("apns under callgrind")
            counted["apns"] = instructions.per_notification(folder, "apns", settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(figures.table(rows))
    print("\n".join(figures.remarks(rows) + figures.simulator_lines(rows) +
                    figures.instruction_lines(counted) +
                    figures.goal_lines(rows, counted)))
    if not callgrind.available():
        print("instructions are left out: valgrind is missing; deploy/install-deps --bench installs it")
    if settings.json:
        print(json.dumps(figures.as_object(rows, counted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
