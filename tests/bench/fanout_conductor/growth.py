"""What a notification costs, and what the relay holds in memory, as the audience grows."""

import math
import shutil
import statistics
from dataclasses import dataclass

import machine
from progress import say
from senders import RelaySender
from world import World

SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
RUNS = 3
DEVICES_PER_RUN = 500_000  # at least: small audiences get several events, one after the other
SPREAD_MAX = 0.10


@dataclass
class Size:
    devices: int
    per_second: float
    cpu_us: float
    relay_rss_mib: float


def measure(folder, case, sizes, settings):
    """Sizes, each in a world of its own."""
    measured = []
    for devices in sizes:
        place = folder / f"growth-{devices}"
        place.mkdir()
        world = World(place, case, devices, settings)
        try:
            relay = RelaySender(world)
            relay.run()  # connections are made, files come into the page cache
            samples = []
            for number in range(RUNS):
                say(f"growth, {devices:,} devices: run {number + 1} of {RUNS}")
                samples.append(relay.run(math.ceil(DEVICES_PER_RUN / devices)))
            measured.append(Size(
                devices=devices,
                per_second=statistics.median(one.per_second for one in samples),
                cpu_us=statistics.median(one.cpu_us for one in samples),
                relay_rss_mib=machine.resident_peak_mib(world.relay.pid)))
        finally:
            world.stop()
            shutil.rmtree(place, ignore_errors=True)
    return measured


def spread(sizes):
    """By how much the dearest notification is dearer than the cheapest."""
    costs = [size.cpu_us for size in sizes]
    return max(costs) / min(costs) - 1


def lines(sizes):
    said = ["growth: devices, relay/s, CPU us a notification, relay's peak MiB"]
    said += [f"  {size.devices:>12,} {size.per_second:>12,.0f} {size.cpu_us:>8.2f} "
             f"{size.relay_rss_mib:>8.1f}" for size in sizes]
    flat = spread(sizes) <= SPREAD_MAX + 1e-9  # 2.2 / 2.0 is not 1.1 in binary
    return said + [f"  the cost is {'flat' if flat else 'not flat'}: it differs by "
                   f"{spread(sizes):.0%} (flat: {SPREAD_MAX:.0%})"]
