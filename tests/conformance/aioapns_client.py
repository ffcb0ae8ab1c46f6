"""Sends what it is told with Debian's aioapns and prints how each fared.

Standard input: {"port", "ca", "key", "topic", "requests": [{"token", "message", …}]}; output: a list of
{"status", "description", "id"}. aioapns negotiates no ALPN and writes `host` where HTTP/2 has `:authority`.
"""

import asyncio
import json
import ssl
import sys

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol, APNsTLSClientProtocol

WITHIN_S = 20  # of each answer


async def send(job):
    APNsProductionClientProtocol.APNS_SERVER = "localhost"
    APNsTLSClientProtocol.APNS_PORT = job["port"]
    client = APNs(key=job["key"], key_id="SIMKEY0001", team_id="SIMTEAM001", topic=job["topic"],
                  ssl_context=ssl.create_default_context(cafile=job["ca"]), max_connections=1)
    fates = []
    for wish in job["requests"]:
        request = NotificationRequest(device_token=wish["token"], message=wish["message"],
                                      time_to_live=wish.get("time_to_live"),
                                      priority=wish.get("priority"),
                                      collapse_key=wish.get("collapse_key"),
                                      push_type=PushType(wish.get("push_type", "alert")))
        result = await asyncio.wait_for(client.send_notification(request), WITHIN_S)
        fates.append({"status": result.status, "description": result.description,
                      "id": result.notification_id})
    client.pool.close()
    return fates


print(json.dumps(asyncio.run(send(json.load(sys.stdin)))))
