"""One notification's content: as the event that is posted, and as the bytes that other clients send.

The relay renders the first into the second; the simulator's count of bytes shows that they agree.
"""

import base64
import hashlib
import json
import subprocess
import time

TITLE = "New upload"
# Makes APNs' body 265 bytes and FCM's comparable.
BODY = "Bells of Bruges, part 3: how the carillon of the belfry was tuned again after a hundred and " \
       "twenty years, bell by bell in a cold spring."
APNS_BODY_BYTES = 265
DATA = {"video": "bruges-3"}
TTL_S = 3600


def event(topic):
    return {"app": "video", "topic": topic, "notification": {"title": TITLE, "body": BODY},
            "data": DATA, "ttl": TTL_S, "priority": "normal"}


def _compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def apns_body(event_id):
    return _compact({"aps": {"alert": {"body": BODY, "title": TITLE}},
                     "carillon": {"event": event_id}, **DATA})


def fcm_body(event_id, token):
    rest = _compact({"android": {"notification": {"tag": event_id}, "priority": "HIGH",
                                 "ttl": f"{TTL_S}s"},
                     "apns": {"headers": {"apns-collapse-id": event_id,
                                          "apns-expiration": str(int(time.time()) + TTL_S),
                                          "apns-priority": "10"}},
                     "data": {**DATA, "carillon_event": event_id},
                     "notification": {"body": BODY, "title": TITLE},
                     "webpush": {"headers": {
                         "TTL": str(TTL_S), "Urgency": "normal",
                         "Topic": hashlib.sha256(f"event {event_id}".encode()).hexdigest()[:32]}}})
    return f'{{"message":{{"token":"{token}",{rest[1:]}}}'


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sign(key_file, text):
    return subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(key_file)],
                          input=text.encode(), capture_output=True, check=True).stdout


def _raw_signature(der):
    """R and S, 32 bytes each, out of an ECDSA signature in DER (SEQUENCE of two INTEGERs)."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


def apns_authorization(key_file):
    text = ".".join(_base64url(_compact(part).encode()) for part in (
        {"alg": "ES256", "kid": "SIMKEY0001"}, {"iss": "SIMTEAM001", "iat": int(time.time())}))
    return f"bearer {text}.{_base64url(_raw_signature(_sign(key_file, text)))}"


def assertion(account, key_file, token_uri):
    """What a service account shows to get an access token (RFC 7523)."""
    now = int(time.time())
    text = ".".join(_base64url(_compact(part).encode()) for part in (
        {"alg": "RS256", "typ": "JWT"},
        {"iss": account["client_email"], "aud": token_uri, "iat": now, "exp": now + 3600,
         "scope": "https://www.googleapis.com/auth/firebase.messaging"}))
    return f"{text}.{_base64url(_sign(key_file, text))}"
