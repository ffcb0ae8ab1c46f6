"""Someone is in charge of a running send: pause, resume, cancel, rate, replay; across SIGKILL too."""

import json
import time
import unittest

from conditions import eventually
from house import NEW_UPLOAD, HouseTest

DEVICES = 100_000
PAUSES_MAX = 3  # one of them within a second: a machine that is held up is not so each time


class Control(HouseTest):
    def steer(self, event, action, body=None, status=200):
        answer = self.relay.request("POST", f"/v1/events/{event}/{action}", body)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def reach(self, event, devices):
        eventually(lambda: self.simulator.event(event)["unique_devices"] >= devices, 60,
                   f"{devices} devices are reached", every_s=0)

    def handed_out(self, boundary):
        """Who may have it: an outcome, no answer yet, or an answer that asks for another attempt."""
        return sum(job["settled"] + job["unanswered"] + job["retrying"]
                   for job in boundary["by_provider"].values())

    def settled_view(self, event):
        """The simulator's count once all that was handed out has come, and been answered."""

        def answered():
            counters = self.relay.event(event)["counters"]
            self.assert_accounted(counters)
            seen = self.simulator.event(event)
            return seen if seen["unique_devices"] == counters["accepted"] else None

        return eventually(answered, 20, lambda: f"the last answers come {self.relay.event(event)} "
                          f"{self.simulator.event(event)}")

    def pause(self, event):
        """Pauses within a second; nobody beyond the boundary has received it."""
        for attempts_left in range(PAUSES_MAX - 1, -1, -1):
            began = time.monotonic()
            paused = self.steer(event, "pause")
            took = time.monotonic() - began
            self.assertEqual(paused["state"], "paused")
            if took < 1 or attempts_left == 0:
                break
            self.assertTrue(self.steer(event, "resume")["changed"])
        self.assertLess(took, 1)
        boundary = paused["boundary"]
        for job in boundary["by_provider"].values():
            self.assertEqual(job["targeted"], job["settled"] + job["unanswered"]
                             + job["retrying"] + job["not_handed_out"])
        seen = self.settled_view(event)
        self.assertLessEqual(seen["unique_devices"], self.handed_out(boundary))
        self.assertLess(seen["unique_devices"], DEVICES, "paused in the middle")
        print(f"  paused in {took * 1000:.0f} ms: {seen['unique_devices']:,} of {DEVICES:,} have "
              f"it, {self.handed_out(boundary):,} were handed out")
        return seen["unique_devices"]

    def test_a_send_is_paused_killed_resumed_slowed_and_completes(self):
        self.start_house(DEVICES)
        event = self.publish()
        self.reach(event, DEVICES // 20)
        first = self.pause(event)
        self.assertEqual(self.steer(event, "pause")["changed"], False)
        self.relay.kill()
        self.relay.start()
        self.assertEqual(self.relay.event(event)["state"], "paused", "it outlives a SIGKILL")
        other = self.publish({**NEW_UPLOAD, "ttl": 60})
        self.reach(other, 1_000)
        self.assertEqual(self.simulator.event(event)["unique_devices"], first)
        self.assertEqual(self.steer(other, "cancel")["id"], other)
        self.assertEqual(self.relay.event(event)["state"], "paused")
        resumed = self.steer(event, "resume")
        self.assertTrue(resumed["changed"])
        self.reach(event, min(DEVICES, first + 1_000))
        slowed = self.steer(event, "rate", {"per_second": 2_000})
        self.assertEqual(slowed["rate_limit_per_second"], 2_000)
        self.reach(event, self.handed_out(slowed["boundary"]))  # what was on its way already
        self.assertGreater(self.relay.event(event)["counters"]["pending"], 10_000)
        self.assertLess(self.rate_of(event), 2_500, "devices a second")
        self.steer(event, "rate", {"per_second": None})
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], DEVICES, counters)
        self.assert_same_view(event, counters)
        self.assertEqual(self.steer(event, "pause", status=409)["type"],
                         "urn:carillon:problem:event-finished")

    def rate_of(self, event):
        """Devices a second that the simulator receives, over a second or so."""
        began = time.monotonic()
        start = self.simulator.event(event)["unique_devices"]
        eventually(lambda: self.simulator.event(event)["unique_devices"] >= start + 2_000, 20,
                   "2,000 more are reached")
        return (self.simulator.event(event)["unique_devices"] - start) / (time.monotonic() - began)

    def test_a_cancelled_send_reaches_nobody_beyond_its_boundary_after_a_kill_either(self):
        self.start_house(DEVICES)
        event = self.publish()
        self.reach(event, DEVICES // 20)
        cancelled = self.steer(event, "cancel")
        bound = self.handed_out(cancelled["boundary"])
        self.assertLess(bound, DEVICES)
        self.relay.kill()  # perhaps before the last answers came
        self.relay.start()

        def over():
            now = self.relay.event(event)
            self.assert_accounted(now["counters"])
            return now if now["state"] == "cancelled" else None

        now = eventually(over, 20, lambda: f"it is cancelled: {self.relay.event(event)}")
        self.assertEqual(now["counters"]["pending"], 0)
        self.assertGreaterEqual(now["counters"]["cancelled"], DEVICES - bound)
        seen = self.simulator.event(event)
        self.assertLessEqual(seen["unique_devices"], bound)
        self.assertGreaterEqual(seen["unique_devices"], now["counters"]["accepted"])
        self.assertEqual(self.steer(event, "cancel")["state"], "cancelled")
        self.assertEqual(self.steer(event, "resume", status=409)["type"],
                         "urn:carillon:problem:event-finished")
        print(f"  cancelled: {now['counters']['accepted']:,} accepted, "
              f"{now['counters']['cancelled']:,} cancelled, {bound:,} had been handed out")

    def test_those_who_failed_are_sent_to_again_and_shown_once(self):
        devices = 2_000
        self.start_house(devices, attempts_max=1)
        self.simulator.set_faults(unavailable_share=0.2)
        event = self.publish()
        failed = self.wait_until_completed(event)["counters"]["dead_lettered"]
        self.assertGreater(failed, 0)
        self.simulator.clear_faults()
        code, output = self.relay.client("events", "replay", event, "--json")
        self.assertEqual(code, 0, output)
        replayed = json.loads(output)
        self.assertEqual(replayed["taken"], failed)
        self.assertEqual(replayed["counted_only"], 0)
        done = self.wait_until_completed(event)
        self.assertEqual(done["counters"]["accepted"], devices, done)
        self.assertEqual(done["counters"]["dead_lettered"], 0)
        self.assertEqual(done["by_reason"], {})
        self.assert_same_view(event, done["counters"])
        feed = self.relay.request("GET", "/v1/outcomes?limit=1000").json["outcomes"]
        kinds = [one["kind"] for one in feed]
        self.assertEqual(kinds.count("failed"), failed)
        self.assertEqual(kinds.count("completed"), 2, "once more after the replay")
        self.assertTrue(all(one["device"] for one in feed if one["kind"] == "failed"))
        code, output = self.relay.client("events", "show", event)
        self.assertEqual(code, 0, output)
        self.assertIn("completed", output)


if __name__ == "__main__":
    unittest.main()
