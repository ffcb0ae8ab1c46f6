"""What goes wrong around the relay: it keeps serving, says what is wrong, loses nothing and goes on."""

import os
import sqlite3
import subprocess
import unittest

from conditions import eventually
from door import Door
from house import NEW_UPLOAD, HouseTest


class Platforms(HouseTest):
    def test_a_platform_that_answers_garbage_delays_its_devices_and_loses_none(self):
        devices = 20_000
        self.start_simulator(devices)
        door = Door(self.simulator.apns_port, self.credentials, self.random)
        self.addCleanup(door.close)
        self.simulator.apns_port = door.port
        self.configure_relay()
        self.import_devices(devices)
        door.garbage = True
        self.relay.start()
        event = self.publish()
        eventually(lambda: door.spoiled >= 2, 20, "the relay tries again")
        now = self.relay.event(event)
        self.assert_accounted(now["counters"])
        self.assertEqual(self.relay.request("GET", "/healthz", key="").status, 200)
        self.assertGreater(now["counters"]["pending"], 0)
        self.assertEqual(now["counters"]["rejected"], 0)

        door.garbage = False
        done = self.wait_until_completed(event)["counters"]
        self.assertEqual(done["accepted"], devices)
        self.assert_same_view(event, done)

    def test_connections_cut_in_the_middle_of_a_send_cost_no_device(self):
        devices = 50_000
        self.start_simulator(devices)
        door = Door(self.simulator.apns_port, self.credentials, self.random)
        self.addCleanup(door.close)
        self.simulator.apns_port = door.port
        self.configure_relay()
        self.import_devices(devices)
        self.relay.start()
        event = self.publish()
        for share in (0.1, 0.3):
            eventually(lambda: self.simulator.event(event)["received"] > share * devices, 60,
                       "a part arrives", every_s=0.005)
            door.cut()
        done = self.wait_until_completed(event)["counters"]
        self.assertEqual(done["accepted"], devices)
        self.assert_same_view(event, done)

    def test_platforms_that_never_answer_hold_up_nobody_else_and_lose_no_device(self):
        devices = 20_000
        self.start_house(devices, providers={"stuck_after_ms": 500, "ping_max_ms": 500,
                                             "connect_max_ms": 1_000})
        self.wait_until_completed(self.publish())
        self.simulator.freeze()
        event = self.publish()
        # Platforms lose their connections at different moments.
        ready = eventually(lambda: self.not_ready(silent="apns"), 30,
                           lambda: f"the relay says that APNs is silent: {self.not_ready()}")
        self.assertTrue(ready["store"]["writable"])
        self.assertGreater(self.relay.metric("carillon_provider_failing"), 0)
        other = self.publish({**NEW_UPLOAD, "priority": "urgent"})
        self.assertEqual(self.relay.request("GET", "/healthz", key="").status, 200)
        put = self.relay.request("PUT", "/v1/apps/video/devices/new",
                                 {"platform": "apns", "token": "ab" * 32, "subscriber": "u-new"})
        self.assertIn(put.status, (200, 201), put)
        for one in (event, other):
            counters = self.relay.event(one)["counters"]
            self.assert_accounted(counters)
            self.assertGreater(counters["pending"], 0)
            self.assertEqual(counters["rejected"] + counters["dead_lettered"], 0)

        self.simulator.thaw()
        for one in (event, other):
            done = self.wait_until_completed(one)["counters"]
            self.assertEqual(done["accepted"], devices, done)
            self.assert_same_view(one, done)
        eventually(lambda: self.not_ready() is None, 20, lambda: f"it is ready: {self.not_ready()}")

    def not_ready(self, silent=None):
        """What it says while it is not ready; of `silent`, a platform, not before its error."""
        answer = self.relay.request("GET", "/readyz", key="")
        if answer.status != 503:
            return None
        told = [one["platform"] for one in answer.json["providers"] if one["last_error"]]
        return answer.json if silent is None or silent in told else None


class Disk(HouseTest):
    def test_a_store_that_another_process_locks_is_waited_for(self):
        devices = 20_000
        self.start_house(devices)
        with sqlite3.connect(self.relay.store, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = eventually(lambda: self.not_accepted(), 30, "a publish is told to come later")
            self.assertIn(refused.status, (503, 507), refused)
            self.assertEqual(self.relay.request("GET", "/healthz", key="").status, 200)
            other.execute("ROLLBACK")
        event = eventually(lambda: self.accepted(), 30, "publishing goes on")
        done = self.wait_until_completed(event)["counters"]
        self.assertEqual(done["accepted"], devices)
        self.assert_same_view(event, done)

    def test_a_full_disk_refuses_events_and_loses_none(self):
        if os.geteuid() != 0:
            self.skipTest("a small file system can be mounted by root only")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", self.directory],
                                 check=False, capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.directory], check=True)
        devices = 5_000
        self.start_house(devices)
        self.wait_until_completed(self.publish())

        ballast = self.directory / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass  # full
        events = []
        refused = eventually(lambda: self.not_accepted(events), 60, "an event finds no room")
        self.assertEqual(refused.status, 507, refused)
        self.assertEqual(self.relay.request("GET", "/healthz", key="").status, 200)
        for event in events:
            self.assert_accounted(self.relay.event(event)["counters"])

        ballast.unlink()
        events.append(eventually(lambda: self.accepted(), 30, "publishing goes on"))
        for event in events:
            done = self.wait_until_completed(event)["counters"]
            self.assertEqual(done["accepted"], devices)
            self.assert_same_view(event, done)

    def not_accepted(self, events=None):
        """The answer to a publish if it is a refusal; what was accepted is noted."""
        answer = self.relay.publish({**self.news(), "priority": "normal"})
        if answer.status == 202:
            if events is not None:
                events.append(answer.json["id"])
            return None
        return answer

    def accepted(self):
        answer = self.relay.publish(self.news())
        return answer.json["id"] if answer.status == 202 else None

    @staticmethod
    def news():
        return {"app": "video", "topic": "channel-42", "ttl": 3600,
                "notification": {"title": "New upload", "body": "Bells of Bruges, part 3"}}


if __name__ == "__main__":
    unittest.main()
