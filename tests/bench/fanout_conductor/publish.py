"""Durable publishes a second: events for one device each, posted by h2load over HTTP/1.1."""

import json
import re
import subprocess
from dataclasses import dataclass

import content
import machine
from progress import say

CLIENTS = {1: 400, 8: 4_000, 64: 30_000}  # clients: events


@dataclass
class Publish:
    clients: int
    events: int
    per_second: float


def measure(world, clients, events):
    body = world.folder / "publish.json"
    body.write_text(json.dumps({"app": "video", "devices": ["d-0000001"], "ttl": 3600,
                                "notification": {"title": content.TITLE, "body": content.BODY}}))
    before = world.simulated("GET", "/sim/stats")["apns"]["accepted"]
    ran = subprocess.run(machine.pinned(world.settings.simulator_core, [
        "h2load", "--h1", "-t", "1", "-c", str(clients), "-n", str(events), "-d", body,
        "-H", f"Authorization: Bearer {world.key}", "-H", "Content-Type: application/json",
        f"http://127.0.0.1:{world.relay_port}/v1/events"]),
        capture_output=True, text=True, check=True)
    if not re.search(rf"^requests:.* {events} succeeded, 0 failed, 0 errored", ran.stdout,
                     re.MULTILINE):
        raise RuntimeError(f"{events} events were posted: {ran.stdout}")
    per_second = float(re.search(r"^finished in \S+, ([\d.]+) req/s", ran.stdout,
                                 re.MULTILINE).group(1))
    newest = world.ask("GET", "/v1/events")["events"][0]["id"]
    world.wait_until_completed(newest, 1)
    return Publish(clients, events, per_second), before


def measure_all(world):
    made = []
    for clients, events in CLIENTS.items():
        say(f"publish: {clients} clients, {events:,} events")
        publish, before = measure(world, clients, events)
        # Each was answered 202, so each must arrive; the last may still be on its way.
        world.wait_for_receipts(before + events)
        made.append(publish)
    return made


def lines(publishes):
    return ["publish: events a second that were answered 202, each on disk before"] + [
        f"  {one.clients:>3} clients {one.per_second:>10,.0f}/s" for one in publishes]
