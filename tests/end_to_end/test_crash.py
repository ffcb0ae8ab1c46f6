"""A crash loses nothing and repeats little."""

import json
import os
import threading
import unittest

from conditions import DeadlinePassed, eventually
from house import NEW_UPLOAD, HouseTest
from relay import REPEAT_BOUND

DEVICES = 60_000
KILLS = int(os.environ.get("CARILLON_E2E_KILLS") or 20)
STEP_MEAN = 2_500  # devices between two kills
FAULTS = {"unregistered_share": 0.02, "unavailable_share": 0.01, "retry_after_s": 1,
          "goaway_every": 10_000, "cut_every": 40_000}
# What a cut connection may have had open: its devices are sent to again without any kill.
STREAMS_MAX = 1_000


class Crash(HouseTest):
    def test_kills_lose_no_device_and_repeat_at_most_the_bound_each_while_platforms_fail(self):
        self.start_house(DEVICES)
        self.simulator.set_faults(**FAULTS)
        self.kills = self.repeated = self.worst = self.cuts = 0
        fan_outs = rejected = 0
        while self.kills < KILLS:
            event = self.publish()
            fan_outs += 1
            targeted = self.relay.event(event)["counters"]["targeted"]
            counters = self.kill_again_and_again(event, targeted)
            self.assertEqual(counters["targeted"], targeted)
            # What could be retried was: nothing but dead tokens is missing.
            self.assertEqual(counters["accepted"] + counters["rejected"], targeted, counters)
            rejected += counters["rejected"]
        self.assertGreater(rejected, 0)
        print(f"  {self.kills} kills in {fan_outs} fan-outs to {DEVICES:,} devices: none lost, "
              f"{self.repeated:,} repeated, {self.worst:,} at worst, bound {REPEAT_BOUND:,}, none "
              f"shown twice; {rejected:,} rejected, {self.cuts} connections cut")

    def kill_again_and_again(self, event, targeted):
        """Until the fan-out is nearly over or has been killed enough; its last counters."""
        # The first kill strikes right after the answer to the publish, the others at random.
        before = self.kill_at(event, 0)
        while self.kills < KILLS:
            moment = before["unique_devices"] + self.random.randrange(1, 2 * STEP_MEAN)
            # Those who are told to be asked again keep the rest pending for a second.
            if moment > targeted * 9 // 10 or self.relay.event(event)["state"] == "completed":
                break
            before = self.note(before, self.kill_at(event, moment))
        counters = self.wait_until_completed(event)["counters"]
        self.assert_same_view(event, counters)  # none lost, none shown twice
        self.note(before, self.settled_view(event))
        return counters

    def note(self, before, after):
        """What was repeated between two looks: at most for the kill before the first."""
        repeated = after["duplicates"] - before["duplicates"]
        cuts = after["cuts"] - before["cuts"]
        print(f"  kill {before['kill']}: at {before['unique_devices']:,} devices; {repeated:,} repeated"
              + (f", {cuts} connections cut meanwhile" if cuts else ""))
        self.assertLessEqual(repeated, REPEAT_BOUND + cuts * STREAMS_MAX)
        self.repeated += repeated
        self.worst = max(self.worst, repeated)
        self.cuts += cuts
        return after

    def kill_at(self, event, moment):
        """Kills once `moment` devices have it and starts again; what the simulator had seen."""
        eventually(lambda: self.simulator.event(event)["unique_devices"] >= moment, 60,
                   lambda: f"{moment} devices are reached: {self.relay.event(event)}", every_s=0)
        self.relay.kill()
        self.kills += 1
        seen = {**self.settled_view(event), "kill": self.kills}
        self.relay.start()
        # Once the relay has recorded as many as had received it, nothing of this kill is left open.
        eventually(lambda: self.relay.event(event)["counters"]["accepted"] >= seen["unique_devices"],
                   60, lambda: f"the fan-out goes on: {self.relay.event(event)}\n{self.relay.output()}")
        return seen

    def settled_view(self, event):
        """The simulator's count once it has read what the dead relay had left in the sockets."""
        looks = []

        def stands_still():
            looks.append(self.simulator.event(event))
            return len(looks) >= 3 and looks[-1] == looks[-3] and looks[-1]

        seen = eventually(stands_still, 20, "the simulator has read everything")
        stats = self.simulator.stats()
        requests = sum(stats[gateway]["requests"] for gateway in ("apns", "fcm", "webpush"))
        return {**seen, "cuts": requests // FAULTS["cut_every"]}

    def test_what_was_handed_out_and_not_answered_is_sent_again(self):
        devices = 500  # one page: the audience is read to its end before the first answer
        self.start_house(devices)
        self.simulator.set_faults(latency_ms=5_000)
        event = self.publish()
        try:  # time for a checkpoint, if there is something to record
            eventually(lambda: self.relay.event(event)["state"] != "queued", 1, "a checkpoint")
        except DeadlinePassed:
            pass
        self.relay.kill()
        self.simulator.clear_faults()
        self.relay.start()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], devices, counters)
        self.assertEqual(self.simulator.event(event)["shown_twice"], 0)


class PublishingAcrossACrash(HouseTest):
    ROUNDS = 10

    def test_a_publisher_that_repeats_itself_after_a_crash_sends_once(self):
        self.start_house(1_000)
        event = self.publish(idempotency_key="upload-1")
        self.relay.kill()
        self.relay.start()
        self.assertEqual(self.publish(idempotency_key="upload-1"), event)
        other = {**NEW_UPLOAD, "data": {"video": "another"}}
        self.assertEqual(self.relay.publish(other, "upload-1").status, 422)
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], 1_000)
        self.assertEqual([one["id"] for one in self.relay.events()], [event])

    def test_a_crash_while_publishing_leaves_one_event_or_none(self):
        self.start_house(50)
        for number in range(self.ROUNDS):
            key = f"upload-{number}"
            heard = []
            publisher = threading.Thread(target=self.publish_and_note, args=(key, heard))
            publisher.start()
            publisher.join(self.random.uniform(0, 0.01))  # the kill strikes before, in or after it
            self.relay.kill()
            publisher.join()
            self.relay.start()
            event = self.publish(idempotency_key=key)
            if heard:  # 202 was said: it was on disk
                self.assertEqual(event, heard[0])
            self.wait_until_completed(event)
            self.assertEqual(len(self.relay.events()), number + 1)

    def publish_and_note(self, key, heard):
        try:
            answer = self.relay.publish(NEW_UPLOAD, key)
            if answer.status == 202:
                heard.append(json.loads(answer.content)["id"])
        except (OSError, ValueError):
            pass  # the relay died on the way; the test publishes again


if __name__ == "__main__":
    unittest.main()
