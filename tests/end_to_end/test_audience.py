"""The audience is frozen when the event is accepted."""

import json
import unittest

from house import BINARIES, HouseTest
from program import run_to_end

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

    def test_a_condition_reaches_exactly_those_of_whom_it_is_true(self):
        count = 300
        self.start_simulator(count)
        self.configure_relay()
        every = self.directory / "all.ndjson"
        self.simulator.write_devices(every, count)
        devices = [json.loads(line) for line in every.read_text().splitlines()]
        for number, device in enumerate(devices):
            device["topics"] = ["channel-42"] + (["nba"] if number % 3 == 0 else [])
            device["locale"] = "de-AT" if number % 2 == 0 else "fr"
            device["app_version"] = f"3.{number % 12}"
            device["attributes"] = {"age": number % 40, "plan": "pro" if number % 5 == 0 else "free"}
        every.write_text("".join(json.dumps(device) + "\n" for device in devices))
        code, output = self.relay.command("import", every)
        self.assertEqual(code, 0, output)
        self.relay.start()

        text = ("'channel-42' in topics && !('nba' in topics) && locale startsWith 'DE' && "
                "app_version >= '3.10' && (attributes.age >= 18 || attributes.plan == 'pro')")
        named = {device["device"] for number, device in enumerate(devices)
                 if number % 3 and number % 2 == 0 and number % 12 >= 10
                 and (number % 40 >= 18 or number % 5 == 0)}
        self.assertGreater(len(named), 3)
        answer = self.relay.request("POST", "/v1/apps/video/audience/count", {"condition": text})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["devices"], len(named), answer.json)
        self.assertEqual(sum(answer.json["by_platform"].values()), len(named), answer.json)
        code, output = run_to_end("carillon audience count", [
            BINARIES / "carillon", "audience", "count", "--config", self.relay.config,
            "--app", "video", text])
        self.assertEqual(code, 0, output)
        self.assertIn(f"{len(named)} devices", output)

        more = devices[3]["device"]  # number 3 hears nba: only its name brings it in
        event = self.publish({"app": "video", "condition": text, "devices": [more, min(named)],
                              "notification": {"title": "Tickets"}})
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], len(named) + 1, "each device once")
        self.assert_same_view(event, counters)
        self.assertEqual(self.relay.event(event)["audience"]["devices"], 2)

    def devices_after(self, count, more):
        every = self.directory / "newcomers.ndjson"
        self.simulator.write_devices(every, count + more)
        return [json.loads(line) for line in every.read_text().splitlines()[count:]]


if __name__ == "__main__":
    unittest.main()
