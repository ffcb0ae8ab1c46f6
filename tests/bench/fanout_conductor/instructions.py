"""Instructions a notification of the relay, of h2load and of the plain client, by callgrind.

Each is counted twice, for few and for many notifications: the difference is without what a start
costs. The relay's count is of its whole process, so it has store, accounting and recording in it.
"""

import shutil
import uuid

import callgrind
from senders import RelaySender, other_senders
from world import World

# Both so large that every connection is open, and every pool of what is used again is full.
FEW, MANY = 20_000, 60_000
# By time callgrind's relay would make fifty checkpoints where the real one makes one.
CHECKPOINT_INTERVAL_MS = 10_000
# By time it would be asked fifty times as often as well, and a question costs what ten devices do.
PAUSE_S = 1.0


def _of_relay(folder, case, devices, settings):
    place = folder / f"callgrind-{case}-{devices}"
    place.mkdir()
    out = place / "callgrind.out"
    world = World(place, case, devices, settings, under=callgrind.under(out),
                  fanout={"checkpoint_interval_ms": CHECKPOINT_INTERVAL_MS})
    try:
        RelaySender(world, PAUSE_S).run()
    finally:
        world.stop()
    counted = callgrind.total(out)
    shutil.rmtree(place)
    return counted


def _of_others(folder, case, settings):
    place = folder / f"callgrind-{case}-others"
    place.mkdir()
    world = World(place, case, MANY, settings)
    counted = {}
    try:
        for sender in other_senders(world, not settings.no_plain):
            totals = [callgrind.count(sender.command(case, str(uuid.uuid4()), count),
                                      place / "callgrind.out") for count in (FEW, MANY)]
            counted[sender.name] = (totals[1] - totals[0]) / (MANY - FEW)
    finally:
        world.stop()
        shutil.rmtree(place, ignore_errors=True)
    return counted


def per_notification(folder, case, settings):
    """{sender: instructions}."""
    few, many = (_of_relay(folder, case, devices, settings) for devices in (FEW, MANY))
    return {"relay": (many - few) / (MANY - FEW), **_of_others(folder, case, settings)}
