"""Phones that are offline: what the platforms keep of what the relay asks them to."""

import unittest

from house import HouseTest

PLATFORMS = ("apns", "fcm", "webpush")


class Offline(HouseTest):
    def test_phones_that_come_back_read_what_is_left_of_each_event(self):
        self.start_simulator(10)
        self.configure_relay()
        self.relay.start()
        phones = {platform: self.simulator.add_phones(1, platform)[0] for platform in PLATFORMS}
        for platform, phone in phones.items():
            body = {"platform": platform, "subscriber": phone["device"]}
            body |= {name: phone[name] for name in ("token", "subscription") if name in phone}
            answer = self.relay.request("PUT", f"/v1/apps/video/devices/{phone['device']}", body)
            self.assertEqual(answer.status, 201, answer)
            self.simulator.set_online(phone["device"], False)

        def publish(title, **more):
            """Each platform says yes, whatever it keeps."""
            event = self.publish({"app": "video", "notification": {"title": title}, **more,
                                  "devices": [phone["device"] for phone in phones.values()]})
            counters = self.wait_until_completed(event)["counters"]
            self.assertEqual(counters["accepted"], len(PLATFORMS), counters)
            return event

        publish("first", ttl=3600)
        late = publish("too late", ttl=0)
        publish("score 1", ttl=3600, collapse_key="score")
        publish("score 2", ttl=3600, collapse_key="score")
        for phone in phones.values():
            self.assertEqual(self.simulator.inbox(phone["device"]), [])
            self.simulator.set_online(phone["device"], True)

        read = {platform: [message["title"] for message in self.simulator.inbox(phone["device"])]
                for platform, phone in phones.items()}
        # Apple and Google keep the newest of what is shown, a browser's service whatever has
        # another Topic.
        self.assertEqual(read, {"apns": ["score 2"], "fcm": ["score 2"],
                                "webpush": ["first", "score 2"]})
        self.assertEqual(self.simulator.event(late)["expired"], len(PLATFORMS))


if __name__ == "__main__":
    unittest.main()
