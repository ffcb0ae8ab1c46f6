"""How long a single notification takes, from its POST to the simulator's receipt, alone and beside a bulk send."""

import contextlib
import json
import math
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime

import content
from progress import say
from world import TOPIC

RATE = 1_000  # events a second, on a schedule: a slow answer does not slow the next question
CLIENTS = 64
# Both cores are busy with what is measured, and a poster that waits for one would be told as the
# relay's delay. Needs root; else the poster is as nice as the rest, and its own lateness is printed.
POSTER_NICENESS = -10
# The simulator keeps a receipt's time in whole milliseconds, cut off: it was up to one later.
RECEIPT_STEP_S = 0.001
BULK_LOOK_S = 0.05


@dataclass
class Phase:
    name: str
    events: int
    unanswered: int  # posted, and not answered with 202
    unseen: int  # answered, and not seen by the simulator
    p50_ms: float  # upper bounds, each up to a millisecond above what it was
    p99_ms: float
    p999_ms: float
    publish_p99_ms: float  # until the 202
    late_p99_ms: float  # how late the poster itself was
    bulk_events: int = 0


def quantile(ordered, share):
    """The smallest value that at least `share` of all do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


class _Client:
    """A connection that is kept, with nothing of http.client: the poster must not be the slow part."""

    def __init__(self, world):
        self._socket = socket.create_connection(("127.0.0.1", world.relay_port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (f"POST /v1/events HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {world.key}"
                      f"\r\nContent-Type: application/json\r\nContent-Length: ").encode()

    def post(self, body):
        """(status, content)."""
        self._socket.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(rest) < length:
            rest += self._more()
        return int(head.split()[1]), rest

    def _more(self):
        more = self._socket.recv(65_536)
        if not more:
            raise ConnectionError("the relay closed the connection")
        return more

    def close(self):
        self._socket.close()


@contextlib.contextmanager
def _in_a_hurry():
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, POSTER_NICENESS)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


def _post_on_schedule(world, seconds):
    """[(due, sent, answered, status, event)], in seconds since the epoch."""
    posted, problems = [], []
    begins = time.time() + 0.2

    def work(number):
        client = _Client(world)
        try:
            for k in range(number, int(RATE * seconds), CLIENTS):
                body = json.dumps({
                    "app": "video", "devices": [f"d-{k % world.devices + 1:07}"], "ttl": 60,
                    "priority": "urgent", "notification": {"title": content.TITLE, "body": "Code 1"}})
                due = begins + k / RATE
                wait = due - time.time()
                if wait > 0:
                    time.sleep(wait)
                sent = time.time()
                status, answer = client.post(body.encode())
                answered = time.time()
                event = json.loads(answer)["id"] if status == 202 else None
                posted.append((due, sent, answered, status, event))
        except (OSError, ConnectionError, ValueError) as problem:
            problems.append(f"client {number}: {problem}")
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    with _in_a_hurry():  # threads are born with their maker's niceness
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise RuntimeError("; ".join(problems[:3]))
    return posted


def received_at(world, event):
    """When the simulator had it at the latest, in seconds since the epoch; None: it has not."""
    seen = world.simulated("GET", f"/sim/events/{event}")
    if not seen or not seen["first_at"]:
        return None
    return datetime.fromisoformat(seen["first_at"].replace("Z", "+00:00")).timestamp() + RECEIPT_STEP_S


def keep_sending(post, received, devices, over):
    """Posts bulk events, the next when the one before is half received, until `over` is set.

    So two are on their way and one never ends before another has begun: no urgent event finds the relay
    without a bulk send. `post` returns an event's id, `received` how many devices have it.
    """
    posted = []
    while not over.is_set():
        if not posted or received(posted[-1]) >= devices / 2:
            posted.append(post())
        else:
            over.wait(BULK_LOOK_S)
    return posted


def measure(world, name, seconds, with_bulk):
    say(f"latency, {name}: {seconds:.0f} s")
    bulk_ids, over = [], threading.Event()

    def send_bulk():
        body = json.dumps({**content.event(TOPIC), "priority": "bulk"})
        client = _Client(world)

        def received(event):
            seen = world.simulated("GET", f"/sim/events/{event}")
            return seen["received"] if seen else 0

        try:
            bulk_ids.extend(keep_sending(
                lambda: json.loads(client.post(body.encode())[1])["id"], received, world.devices, over))
        finally:
            client.close()

    bulk = threading.Thread(target=send_bulk)
    if with_bulk:
        bulk.start()
    try:
        posted = _post_on_schedule(world, seconds)
    finally:
        over.set()
    if with_bulk:
        bulk.join()
        for event in bulk_ids:
            world.wait_until_completed(event, world.devices)
    accepted = [one for one in posted if one[4] is not None]
    for *_, event in accepted[-1:]:
        world.wait_until_completed(event, 1)
    # From the moment it was due: what waits behind a slow answer is late as well.
    arrived = [(due, received_at(world, event)) for due, *_, event in accepted]
    late = sorted((at - due) * 1e3 for due, at in arrived if at is not None)
    publish = sorted((answered - sent) * 1e3 for _, sent, answered, *_ in accepted)
    poster = sorted((sent - due) * 1e3 for due, sent, *_ in posted)
    return Phase(name=name, events=len(posted), unanswered=len(posted) - len(accepted),
                 unseen=len(accepted) - len(late), p50_ms=quantile(late, 0.5),
                 p99_ms=quantile(late, 0.99), p999_ms=quantile(late, 0.999),
                 publish_p99_ms=quantile(publish, 0.99), late_p99_ms=quantile(poster, 0.99),
                 bulk_events=len(bulk_ids))


def lines(phases):
    said = ["latency: from when a POST was due to the simulator's receipt, at most (receipts "
            "are in whole milliseconds, cut off; one is added)"]
    for phase in phases:
        said.append(
            f"  {phase.name}: {phase.events:,} events, at most p50 {phase.p50_ms:.1f} ms, p99 "
            f"{phase.p99_ms:.1f}, p99.9 {phase.p999_ms:.1f}; until the 202, p99 "
            f"{phase.publish_p99_ms:.1f}; the poster itself was late by {phase.late_p99_ms:.1f} at p99"
            + (f"; {phase.bulk_events} bulk events, two on their way at a time" if phase.bulk_events else "")
            + (f"; {phase.unanswered} were refused" if phase.unanswered else "")
            + (f"; {phase.unseen} were never seen" if phase.unseen else ""))
    return said
