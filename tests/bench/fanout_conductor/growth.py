"""What a notification costs, and what the relay holds in memory, as the audience grows.

Each size has a world of its own, all of them at once, and they send by turns, in many short rounds. A
shared machine is slower by a half for a second or a minute, in the middle of one event as well: what
others do to its caches and clocks only ever adds to a cost. So each run is cut into slices of half a
second, and the cost of a size is the lower quartile of its slices; their median and the mean of the
whole runs are told beside it.
"""

import math
import shutil
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Optional

import machine
import pairs
from progress import say
from senders import RelaySender
from world import World

SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
ROUNDS = 8
ROUNDS_FROM_IDLE = 5
DEVICES_PER_RUN = 3_000_000  # at least: small audiences get several events
DEVICES_FROM_IDLE = 500_000  # likewise
SPREAD_MAX = 0.10  # of the cost and of the memory
# Small events follow each other without a gap, so that all sizes keep the relay busy alike.
AT_ONCE = 8


@dataclass
class Size:
    devices: int
    per_second: float
    cpu_us: float  # lower quartile of all slices
    cpu_us_median: float
    cpu_us_mean: float  # of the whole runs, their beginnings and ends too
    slices: int
    relay_rss_mib: float
    # Each event to a relay that has been idle: caches are cold, and clocks may be slow.
    from_idle_cpu_us: Optional[float] = None


def measure(folder, case, sizes, settings):
    """A Size for each of `sizes`, and how many rounds were dropped because of steal."""
    with ExitStack() as worlds:
        relays = {}
        for devices in sizes:
            place = folder / f"growth-{devices}"
            place.mkdir()
            worlds.callback(shutil.rmtree, place, ignore_errors=True)
            world = World(place, case, devices, settings)
            worlds.callback(world.stop)
            relays[devices] = world, RelaySender(world)
            relays[devices][1].run()  # connections are made, files come into the page cache
        rounds = []
        for number, order in pairs.turns(sizes, settings.growth_rounds):
            samples = {}
            for devices in order:
                say(f"growth, round {number + 1} of {settings.growth_rounds}: {devices:,} devices")
                events = math.ceil(DEVICES_PER_RUN / devices)
                samples[devices] = relays[devices][1].run(events, min(AT_ONCE, events), True)
            rounds.append(samples)
        idle = {}
        for _, order in pairs.turns(sizes, ROUNDS_FROM_IDLE):
            for devices in order:
                say(f"growth, from idle: {devices:,} devices")
                events = math.ceil(DEVICES_FROM_IDLE / devices)
                idle.setdefault(devices, []).append(relays[devices][1].run(events).cpu_us)
        peaks = {devices: machine.resident_peak_mib(world.relay.pid)
                 for devices, (world, _) in relays.items()}
    kept = pairs.undisturbed(rounds)
    if not kept:
        raise RuntimeError("every round was disturbed by other guests of the machine")
    return [size_of(devices, kept, peaks, idle) for devices in sizes], len(rounds) - len(kept)


def size_of(devices, rounds, peaks, idle):
    slices = [cpu_us for samples in rounds for cpu_us in samples[devices].slices]
    if not slices:
        raise RuntimeError(f"no run to {devices:,} devices took half a second: nothing is told of them")
    runs = [samples[devices] for samples in rounds]
    return Size(devices=devices,
                cpu_us_mean=sum(run.cpu_s for run in runs) / sum(run.count for run in runs) * 1e6,
                per_second=pairs.median_of(rounds, devices, lambda sample: sample.per_second),
                cpu_us=pairs.lower_quartile(slices),
                cpu_us_median=statistics.median(slices),
                slices=len(slices),
                relay_rss_mib=peaks[devices],
                from_idle_cpu_us=statistics.median(idle[devices]) if devices in idle else None)


def _spread(values):
    return max(values) / min(values) - 1


def spread(sizes):
    """By how much the dearest notification is dearer than the cheapest."""
    return _spread([size.cpu_us for size in sizes])


def memory_spread(sizes):
    """By how much the largest relay is larger than the smallest."""
    return _spread([size.relay_rss_mib for size in sizes])


def _verdict(subject, by):
    flat = by <= SPREAD_MAX + 1e-9  # 2.2 / 2.0 is not 1.1 in binary
    return (f"  {subject} is {'flat' if flat else 'not flat'}: it differs by {by:.0%} (flat: "
            f"{SPREAD_MAX:.0%})")


def lines(sizes, dropped=0):
    said = [f"growth: devices, relay/s, CPU us a notification with {AT_ONCE} events on their way at a "
            "time (lower quartile of slices, their median, how many, mean of the whole runs), relay's "
            "peak MiB, us with one event at a time, from idle"]
    said += [f"  {size.devices:>12,} {size.per_second:>12,.0f} {size.cpu_us:>8.2f} "
             f"{size.cpu_us_median:>8.2f} {size.slices:>6} {size.cpu_us_mean:>8.2f} "
             f"{size.relay_rss_mib:>8.1f} "
             + (f"{size.from_idle_cpu_us:>8.2f}" if size.from_idle_cpu_us else f"{'-':>8}")
             for size in sizes]
    if dropped:
        said.append(f"  {dropped} rounds were dropped for more than {pairs.STEAL_MAX:.0%} steal")
    said += [_verdict(f"the cost, lower quartiles with {AT_ONCE} events at a time,", spread(sizes)),
             _verdict("memory", memory_spread(sizes)),
             f"  the means of whole runs differ by {_spread([size.cpu_us_mean for size in sizes]):.0%} "
             "(not judged)"]
    from_idle = [size.from_idle_cpu_us for size in sizes if size.from_idle_cpu_us]
    if from_idle:
        said.append(f"  one event at a time, from idle, differs by {_spread(from_idle):.0%} (not judged)")
    return said
