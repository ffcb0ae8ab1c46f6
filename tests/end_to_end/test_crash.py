"""A crash loses nothing and repeats little."""

import json
import threading
import unittest

from conditions import DeadlinePassed, eventually
from house import NEW_UPLOAD, HouseTest
from relay import REPEAT_BOUND

DEVICES = 200_000
KILLS = 20


class Crash(HouseTest):
    def test_twenty_kills_lose_no_device_and_repeat_at_most_the_bound_each(self):
        self.start_house(DEVICES)
        # The first strikes right after the answer, the others spread over the fan-out.
        moments = [0] + sorted(self.random.sample(range(1, DEVICES), KILLS - 1))
        events = [self.publish()]
        worst = total = 0
        for number, moment in enumerate(moments, start=1):
            if self.relay.event(events[-1])["state"] == "completed":
                events.append(self.publish())  # the fan-out was faster than the kills
            repeated = self.kill_at(events[-1], moment)
            print(f"  kill {number}: due at {moment:,} devices, at {self.struck_at:,}; "
                  f"{repeated:,} repeated")
            self.assertLessEqual(repeated, REPEAT_BOUND)
            worst = max(worst, repeated)
            total += repeated
        for event in events:
            counters = self.wait_until_completed(event)["counters"]
            self.assertEqual(counters["targeted"], DEVICES)
            self.assertEqual(counters["accepted"], DEVICES, counters)
            self.assert_same_view(event, counters)  # none lost, none shown twice
        print(f"  {KILLS} kills in {len(events)} fan-outs to {DEVICES:,} devices: none lost, "
              f"{total:,} repeated, {worst:,} at worst, bound {REPEAT_BOUND:,}, none shown twice")

    def kill_at(self, event, moment):
        """Kills once `moment` devices have it; returns how many got it again because of that."""
        eventually(lambda: self.simulator.event(event)["unique_devices"] >= moment, 60,
                   f"{moment} devices are reached", every_s=0)
        self.relay.kill()
        before = self.settled_view(event)
        self.struck_at = before["unique_devices"]
        self.relay.start()
        # Once the relay has recorded as many as had received it, nothing of this kill is left open.
        eventually(lambda: self.relay.event(event)["counters"]["accepted"] >= self.struck_at, 60,
                   lambda: f"the fan-out goes on: {self.relay.event(event)}\n{self.relay.output()}")
        return self.simulator.event(event)["duplicates"] - before["duplicates"]

    def settled_view(self, event):
        """The simulator's count once it has read what the dead relay had left in the sockets."""
        looks = []

        def stands_still():
            looks.append(self.simulator.event(event))
            return len(looks) >= 3 and looks[-1] == looks[-3] and looks[-1]

        return eventually(stands_still, 20, "the simulator has read everything")

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
