"""What an end-to-end test stands in: real programs, a folder of their own, and the sums that must hold."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from conditions import eventually
from relay import Relay
from simulator import HeldPort, Simulator

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("CARILLON_BIN", ROOT / "build/release/bin"))

OUTCOMES = ("accepted", "rejected", "expired", "suppressed", "cancelled", "dead_lettered", "pending")

NEW_UPLOAD = {
    "app": "video",
    "topic": "channel-42",
    "notification": {"title": "New upload", "body": "Bells of Bruges, part 3"},
    "data": {"video": "bruges-3"},
    "ttl": 3600,
    "priority": "normal",
}


class HouseTest(unittest.TestCase):
    """A folder, credentials and a seed for each test; simulator and relay when it asks for them."""

    environment = None  # of simulator and relay; none: that of the tests

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="carillon-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.seed = int(os.environ.get("CARILLON_TEST_SEED") or random.SystemRandom().getrandbits(32))
        self.random = random.Random(self.seed)
        print(f"seed {self.seed}", flush=True)

    def run(self, result=None):
        """As always; after a failure with the command that repeats it."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            name = self.id().split(".", 1)[1]
            print(f"  again: CARILLON_TEST_SEED={self.seed} tests/end_to_end/run {name}", flush=True)

    def hold_port(self):
        """Nobody else's until the test is over."""
        held = HeldPort()
        self.addCleanup(held.close)
        return held.number

    def start_simulator(self, devices, **options):
        self.credentials = self.directory / "credentials"
        fcm_port = self.hold_port()
        subprocess.run([ROOT / "deploy/credentials", self.credentials,
                        "--token-uri", f"https://127.0.0.1:{fcm_port}/token"],
                       check=True, stdout=subprocess.DEVNULL, env=self.environment)
        self.simulator = Simulator(BINARIES / "device-sim", self.directory, self.credentials,
                                   devices, self.seed, fcm_port, environment=self.environment,
                                   **options)
        self.addCleanup(self.simulator.stop)

    def configure_relay(self, providers=None, **fanout):
        """Config and API key; not running."""
        self.relay = Relay(BINARIES / "carillon", self.directory, self.credentials, self.simulator,
                           self.hold_port(), fanout, providers, self.environment)
        self.relay.key = self.relay.create_key()
        self.addCleanup(self.relay.stop)

    def import_devices(self, count, **options):
        lines = self.directory / "devices.ndjson"
        self.simulator.write_devices(lines, count, **options)
        code, output = self.relay.command("import", lines)
        self.assertEqual(code, 0, output)
        return lines

    def start_house(self, devices, enrolled=None, providers=None, **fanout):
        """A running relay whose audience of channel-42 are the first `enrolled` of `devices`."""
        self.start_simulator(devices)
        self.configure_relay(providers, **fanout)
        lines = self.import_devices(devices if enrolled is None else enrolled)
        self.relay.start()
        return lines

    def publish(self, body=None, idempotency_key=None):
        answer = self.relay.publish(NEW_UPLOAD if body is None else body, idempotency_key)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def wait_until_completed(self, event, within_s=120, every_s=0.1):
        """The event's last word; its counters add up at every look on the way there."""

        def completed():
            now = self.relay.event(event)
            self.assert_accounted(now["counters"])
            return now if now["state"] == "completed" else None

        return eventually(completed, within_s,
                          lambda: f"the event completes; {self.relay.event(event)}\n{self.relay.output()}",
                          every_s=every_s)

    def assert_accounted(self, counters):
        self.assertEqual(counters["targeted"], sum(counters[outcome] for outcome in OUTCOMES), counters)

    def assert_same_view(self, event, counters):
        """The simulator saw exactly the devices that the relay says were accepted, each shown once."""
        seen = self.simulator.event(event)
        self.assertEqual(seen["unique_devices"], counters["accepted"], (seen, counters))
        self.assertEqual(seen["received"], seen["unique_devices"] + seen["duplicates"], seen)
        self.assertEqual(seen["shown_twice"], 0, seen)
        return seen
