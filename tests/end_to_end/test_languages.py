"""One event in several languages: each phone reads it in its own."""

import unittest

from conditions import eventually
from house import HouseTest

EVENT = {
    "app": "video",
    "notification": {"title": "New upload", "body": "Bells of Bruges"},
    "localized": {
        "de": {"title": "Neues Video", "body": "Die Glocken von Brügge"},
        "de-AT": {"title": "Neichs Video"},
        "fr": {"title": "Nouvelle vidéo", "body": "Les cloches de Bruges"},
    },
}
# Locale of a phone, and what it reads. An empty one is left out.
READS = {
    "de": ("Neues Video", "Die Glocken von Brügge"),
    "de-CH": ("Neues Video", "Die Glocken von Brügge"),
    "de_AT": ("Neichs Video", "Bells of Bruges"),
    "fr": ("Nouvelle vidéo", "Les cloches de Bruges"),
    "ja": ("New upload", "Bells of Bruges"),
    "": ("New upload", "Bells of Bruges"),
}
PLATFORMS = ("apns", "fcm", "webpush")


class Languages(HouseTest):
    def setUp(self):
        super().setUp()
        self.start_simulator(10)
        self.configure_relay()
        self.relay.start()
        self.phones = {}  # device: its locale
        for platform in PLATFORMS:
            for locale, phone in zip(READS, self.simulator.add_phones(len(READS), platform)):
                body = {"platform": platform, "subscriber": phone["device"]}
                body |= {name: phone[name] for name in ("token", "subscription") if name in phone}
                if locale:
                    body["locale"] = locale
                answer = self.relay.request("PUT", f"/v1/apps/video/devices/{phone['device']}", body)
                self.assertEqual(answer.status, 201, answer)
                self.phones[phone["device"]] = locale

    def read(self, device, event):
        return [(message["title"], message["body"]) for message in self.simulator.inbox(device)
                if message["event"] == event]

    def assert_read(self, event):
        for device, locale in self.phones.items():
            self.assertEqual(self.read(device, event), [READS[locale]], f"{device} in '{locale}'")

    def test_each_phone_reads_its_language_and_one_that_does_not_fit_is_refused(self):
        long = {**EVENT["localized"], "fr": {"body": "é" * 2000}}
        answer = self.relay.publish({**EVENT, "localized": long, "devices": list(self.phones)})
        self.assertEqual(answer.status, 422, answer)
        pointers = [error["pointer"] for error in answer.json["errors"]]
        self.assertEqual(pointers, ["/localized/fr/body"] * len(PLATFORMS), answer)
        self.assertEqual(self.relay.events(), [])

        event = self.publish({**EVENT, "devices": list(self.phones)})
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], len(self.phones), counters)
        self.assert_read(event)

    def test_after_a_retry_and_a_crash_too(self):
        self.simulator.set_faults(unavailable_share=1, retry_after_s=1)
        event = self.publish({**EVENT, "devices": list(self.phones)})
        eventually(lambda: self.simulator.stats()["faults"]["unavailable"] >= len(self.phones), 30,
                   "each phone's push was refused once")
        self.relay.kill()
        self.simulator.clear_faults()
        self.relay.start()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], len(self.phones), counters)
        self.assert_read(event)


if __name__ == "__main__":
    unittest.main()
