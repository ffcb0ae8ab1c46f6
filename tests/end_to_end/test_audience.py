"""The audience is frozen when the event is accepted."""

import json
import unittest

from house import HouseTest

DEVICES = 60_000  # several times what the relay hands out ahead of its checkpoints
SLOW_MS = 500


class Audience(HouseTest):
    def test_who_subscribes_during_a_send_is_not_reached_by_it(self):
        newcomers = 20
        self.start_house(DEVICES + newcomers, enrolled=DEVICES)
        self.simulator.set_faults(latency_ms=SLOW_MS)
        event = self.publish()
        for line in self.devices_after(DEVICES, newcomers):
            device = line.pop("device")
            del line["app"]
            answer = self.relay.request("PUT", f"/v1/apps/video/devices/{device}", line)
            self.assertIn(answer.status, (200, 201), answer)
        self.assertNotEqual(self.relay.event(event)["state"], "completed")
        self.simulator.clear_faults()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["targeted"], DEVICES)
        self.assertEqual(counters["accepted"], DEVICES, counters)
        self.assert_same_view(event, counters)
        later = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(later["accepted"], DEVICES + newcomers)

    def test_who_unsubscribes_before_their_turn_is_suppressed(self):
        leavers = 200
        lines = self.start_house(DEVICES)
        subscribers = [json.loads(line)["subscriber"] for line in lines.read_text().splitlines()]
        self.simulator.set_faults(latency_ms=SLOW_MS)
        event = self.publish()
        for subscriber in self.random.sample(subscribers, leavers):
            answer = self.relay.request(
                "DELETE", f"/v1/apps/video/topics/channel-42/subscribers/{subscriber}")
            self.assertIn(answer.status, (200, 204), answer)
        self.simulator.clear_faults()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["targeted"], DEVICES)
        self.assertGreater(counters["suppressed"], 0)
        self.assertLessEqual(counters["suppressed"], leavers)
        self.assertEqual(counters["accepted"] + counters["suppressed"], DEVICES, counters)
        self.assert_same_view(event, counters)

    def devices_after(self, count, more):
        every = self.directory / "newcomers.ndjson"
        self.simulator.write_devices(every, count + more)
        return [json.loads(line) for line in every.read_text().splitlines()[count:]]


if __name__ == "__main__":
    unittest.main()
