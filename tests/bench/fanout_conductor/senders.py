"""Who sends: the relay, h2load, and a plain nghttp2 client. Each `run` sends and returns a Sample."""

import http.client
import json
import math
import os
import re
import ssl
import subprocess
import time
import urllib.parse
import uuid

import content
import machine
from held_output import HeldOutput
from pairs import Sample
from world import BINARIES, PROJECT, TOPIC

# Of the cases in which others can send the same.
PLATFORMS = {"apns": ["apns"], "fcm": ["fcm"], "mix": ["apns", "fcm"]}


class CountMismatch(RuntimeError):
    """The simulator did not see what the sender says it sent: nothing measured counts."""


class HeadStart(RuntimeError):
    """Requests arrived before all of a run's processes were let go: its time would be too short."""


class _Meter:
    """Wall time, CPU time of a sender's process and of the simulator, from its making to `stop`."""

    def __init__(self, world):
        self._world = world
        self._simulator_s = machine.process_seconds(world.simulator.pid)
        self._simulator_ticks = machine.process_user_share(world.simulator.pid)
        self._watch = machine.Watch((world.settings.sender_core, world.settings.simulator_core))
        self._own_s = time.process_time()

    def stop(self, count, cpu_s, user_share, seconds=None):
        simulator_s = machine.process_seconds(self._world.simulator.pid) - self._simulator_s
        user, system = (now - before for now, before in zip(
            machine.process_user_share(self._world.simulator.pid), self._simulator_ticks))
        own_s = time.process_time() - self._own_s
        watch = self._watch.stop(cpu_s() if callable(cpu_s) else cpu_s + simulator_s + own_s)
        return Sample(count=count, seconds=seconds or watch.seconds, cpu_s=cpu_s,
                      user_share=user_share, sim_cpu_s=simulator_s,
                      sim_user_share=_share(user, system), steal=watch.steal, others=watch.others)


def _share(user, system):
    return user / (user + system) if user + system else 1.0


class _Slices:
    """A run cut into stretches of `SLICE_S`: the CPU of a notification in each of them."""
    SLICE_S = 0.5

    def __init__(self, world, running):
        """`running`: the list of (event, …) that are on their way, kept by the caller."""
        self._world = world
        self._running = running
        self._completed = 0
        self.cpu_us = []
        self._mark(0)

    def complete(self, count):
        self._completed += count

    def look(self):
        """Costs the relay a question for each event on its way, once in a slice."""
        if time.monotonic() < self._next_at:
            return
        count = self._completed + sum(
            self._world.ask("GET", f"/v1/events/{event}")["counters"]["accepted"]
            for event, *_ in self._running)
        self.cpu_us.append((machine.process_seconds(self._world.relay.pid) - self._cpu_s) * 1e6 /
                           max(1, count - self._count))
        self._mark(count)

    def _mark(self, count):
        self._count = count
        self._cpu_s = machine.process_seconds(self._world.relay.pid)
        self._next_at = time.monotonic() + self.SLICE_S


class RelaySender:
    """Events to everyone, one after the other: from POST until every outcome is recorded."""
    name = "relay"

    def __init__(self, world, pause_s=0.004):
        """`pause_s`: between two questions whether an event is over, at least."""
        self._world = world
        self._pause_s = pause_s
        self._body = json.dumps(content.event(TOPIC))
        self._likely_s = {}  # by `at_once`: how long an event takes, as the shortest so far did

    def run(self, events=1, at_once=1, sliced=False):
        """`at_once`: how many are on their way at a time; with two the relay is never idle.
        `sliced`: the Sample tells the CPU of each half second as well."""
        world = self._world
        pid = world.relay.pid
        ticks = machine.process_user_share(pid)
        meter, began_s = _Meter(world), machine.process_seconds(pid)
        ids, running = [], []
        slices = _Slices(world, running) if sliced else None
        # Who sends many asks seldom: when the younger of the elder half is over, so are the others
        # of that half, or nearly so. At the end each of them is asked about.
        half = max(1, at_once // 2)
        for _ in range(events):
            running.append((world.ask("POST", "/v1/events", self._body)["id"], time.monotonic()))
            ids.append(running[-1][0])
            if len(running) == at_once:
                self._wait_for(*running[half - 1], at_once, slices)
                del running[:half]
                if slices:
                    slices.complete(half * world.devices)
        for event in running:
            self._wait_for(*event, at_once, slices)
        now = machine.process_user_share(pid)
        sample = meter.stop(events * world.devices, machine.process_seconds(pid) - began_s,
                            _share(now[0] - ticks[0], now[1] - ticks[1]))
        sample.slices = slices.cpu_us if slices else []
        for event in ids:
            world.wait_until_completed(event, world.devices)
            seen = world.simulated("GET", f"/sim/events/{event}") or {}
            if seen.get("unique_devices") != world.devices or seen["received"] != world.devices:
                raise CountMismatch(f"{world.devices} devices, the simulator saw {seen}")
        return sample

    def _wait_for(self, event, posted, at_once, slices):
        likely_s = self._likely_s.get(at_once, 0.0) - (time.monotonic() - posted)
        pause_s = max(self._pause_s, 0.02 if at_once > 1 else 0)  # nobody has to know at once
        self._world.wait_until_completed(event, self._world.devices, max(0.0, likely_s), pause_s,
                                         meanwhile=slices.look if slices else None)
        took = time.monotonic() - posted
        self._likely_s[at_once] = min(self._likely_s.get(at_once, took), took)


class _RequestMaker:
    """What other clients need to send the same: token files, bodies, headers, credentials."""

    def __init__(self, world, clients):
        self._world = world
        self._tokens = {}
        self._authorization = {}
        self._clients = clients
        lines = world.device_lines(world.devices)
        counts = {"apns": 0, "fcm": 0}
        pattern = re.compile(rb'"platform":"(apns|fcm)".*"token":"([^"]+)"')
        tokens = {"apns": [], "fcm": []}
        for line in lines.stdout:
            platform, token = pattern.search(line).groups()
            counts[platform.decode()] += 1
            tokens[platform.decode()].append(token.decode())
        lines.wait()
        self.counts = counts
        self._all_tokens = tokens

    def tokens(self, platform):
        return self._all_tokens[platform]

    def authorization(self, platform):
        if platform not in self._authorization:
            made = content.apns_authorization(self._world.credentials / "apns.p8") \
                if platform == "apns" else self._access_token()
            self._authorization[platform] = made
        return self._authorization[platform]

    def _access_token(self):
        world = self._world
        shown = content.assertion(world.service_account, world.credentials / "fcm-key.pem",
                                  world.token_uri)
        context = ssl.create_default_context(cafile=str(world.credentials / "ca.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", world.fcm_port, context=context)
        try:
            connection.request("POST", "/token", urllib.parse.urlencode({
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": shown}),
                {"Content-Type": "application/x-www-form-urlencoded"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return "Bearer " + answer["access_token"]

    def headers(self, platform, event):
        if platform == "fcm":
            return [("authorization", self.authorization(platform)),
                    ("content-type", "application/json")]
        return [("authorization", self.authorization(platform)),
                ("apns-topic", "com.example.video"), ("apns-push-type", "alert"),
                ("apns-priority", "10"),
                ("apns-expiration", str(int(time.time()) + content.TTL_S)),
                ("apns-collapse-id", event)]

    def body(self, platform, event):
        return content.apns_body(event) if platform == "apns" \
            else content.fcm_body(event, self.tokens("fcm")[0])

    def url(self, platform):
        origin = f"https://127.0.0.1:{self._world.port(platform)}"
        return f"{origin}/3/device/" if platform == "apns" \
            else f"{origin}/v1/projects/{PROJECT}/messages:send"


class _Client:
    """A process of another client for each platform of the case, all on the sender's core."""

    def __init__(self, world, requests):
        self.world = world
        self.requests = requests
        self.resident_mib = 0

    def run(self, events=1):
        world = self.world
        prepared = []
        for platform in PLATFORMS[world.case]:
            event = str(uuid.uuid4())
            count = self.requests.counts[platform] * events
            prepared.append((platform, event, count, self.command(platform, event, count)))
        started = [self._spawn(command) for *_, command in prepared]
        try:
            return self._measure(prepared, started)
        finally:
            for process in started:
                if process.returncode is None:
                    process.kill()
                    process.wait()

    def _measure(self, prepared, started):
        for process in started:
            self._wait_until_begun(process)
        self._check_nothing_was_sent(prepared)
        meter = _Meter(self.world)
        before = [(machine.process_seconds(one.pid), machine.process_user_share(one.pid))
                  for one in started]
        self._let_go(started)
        cpu_s = user = system = 0
        said = []
        for process, (began_s, (began_user, began_system)) in zip(started, before):
            said.append(process.stdout.read())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdout.close()
            if process.returncode != 0:
                raise RuntimeError(f"{self.name} ended with {process.returncode}: {said[-1]}")
            cpu_s += usage.ru_utime + usage.ru_stime - began_s
            user += usage.ru_utime - began_user / machine.CLOCK_TICKS
            system += usage.ru_stime - began_system / machine.CLOCK_TICKS
            self.resident_mib = max(self.resident_mib, usage.ru_maxrss / 1024)
        total = sum(count for *_, count, _ in prepared)
        sample = meter.stop(total, cpu_s, _share(max(user, 0), max(system, 0)),
                            max(self.seconds(text) for text in said))
        for (platform, event, count, _), text in zip(prepared, said):
            self.check(text, count)
            seen = self.world.simulated("GET", f"/sim/events/{event}") or {}
            if seen.get("received") != count:
                raise CountMismatch(f"{self.name}: {count} {platform} requests, the simulator saw "
                                    f"{seen}\n{text}")
        return sample

    def _check_nothing_was_sent(self, prepared):
        """One platform's process must not send while the other's is still getting ready: its own
        clock would run for less than the time that both took."""
        for platform, event, *_ in prepared:
            seen = self.world.simulated("GET", f"/sim/events/{event}")
            if seen and seen["received"]:
                raise HeadStart(f"{self.name}: {seen['received']} {platform} requests arrived before "
                                f"it was let go")

    def _spawn(self, command):
        # Line by line, so that its first words are heard when they are said.
        return subprocess.Popen(machine.pinned(self.world.settings.sender_core, command),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, bufsize=1)

    def _let_go(self, processes):
        for process in processes:
            process.stdin.close()


class H2load(_Client):
    """nghttp2's own load generator, with `-d`: it reads the body's file anew for each request.

    Each of its connections walks the same list of addresses, so the list has as many as one
    connection sends: all distinct on a connection. It cannot vary a header, so its apns-id is one
    value, which costs it a byte after the first request where the relay's costs thirty.
    """
    name = "h2load"

    def __init__(self, world, requests):
        super().__init__(world, requests)
        self._held = {}  # by process: it says "starting benchmark", and starts

    def _spawn(self, command):
        held = HeldOutput()
        process = subprocess.Popen(
            machine.pinned(self.world.settings.sender_core, command), stdin=subprocess.DEVNULL,
            stdout=held.end, stderr=subprocess.STDOUT)
        held.held_by(process)
        self._held[process] = held
        return process

    def _wait_until_begun(self, process):
        self._held[process].wait_until_held(process)

    def _let_go(self, processes):
        for process in processes:
            self._held.pop(process).let_go()

    def command(self, platform, event, count):
        world = self.world
        settings = world.settings
        body = world.folder / f"{self.name}-{platform}.json"
        body.write_text(self.requests.body(platform, event))
        command = ["h2load", "-t", "1", "-c", str(settings.connections), "-n", str(count),
                   "-m", str(world.streams(platform)), "-d", str(body)]
        headers = self.requests.headers(platform, event)
        if platform == "apns":
            headers.append(("apns-id", str(uuid.uuid4())))
        for name, value in headers:
            command += ["-H", f"{name}: {value}"]
        return command + self._addresses(platform)

    def _addresses(self, platform):
        url = self.requests.url(platform)
        if platform != "apns":
            return [url]
        file = self.world.folder / "h2load-apns.urls"
        if not file.exists():
            per_connection = math.ceil(self.requests.counts["apns"] /
                                       self.world.settings.connections)
            file.write_text("".join(f"{url}{token}\n" for token in
                                    self.requests.tokens("apns")[:per_connection]))
        return ["-i", str(file)]

    def seconds(self, said):
        number, unit = re.search(r"^finished in ([\d.]+)(us|ms|s|m)", said, re.MULTILINE).groups()
        return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]

    def check(self, said, count):
        if not re.search(rf"^requests:.* {count} succeeded, 0 failed, 0 errored", said,
                         re.MULTILINE):
            raise CountMismatch(f"h2load was to send {count}: {said}")


class PlainClient(_Client):
    """tests/bench/fanout_client: nghttp2, OpenSSL and epoll, tuned, with nothing of a relay."""
    name = "plain"

    def command(self, platform, event, count):
        world = self.world
        settings = world.settings
        body = world.folder / f"{self.name}-{platform}.json"
        body.write_text(self.requests.body(platform, event))
        headers = world.folder / f"{self.name}-{platform}.headers"
        headers.write_text("".join(f"{name}: {value}\n" for name, value in
                                   self.requests.headers(platform, event)))
        command = [BINARIES / "fanout_client", "--url", self.requests.url(platform), "--headers",
                   headers, "--body", body, "--requests", str(count), "--connections",
                   str(settings.connections), "--streams", str(world.streams(platform)),
                   "--ca", world.credentials / "ca.pem"]
        if platform == "apns":
            tokens = world.folder / "plain-apns.tokens"
            if not tokens.exists():
                tokens.write_text("".join(f"{token}\n" for token in self.requests.tokens("apns")))
            command += ["--tokens", tokens, "--apns-id"]
        return command

    def _wait_until_begun(self, process):
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"fanout_client did not start: {process.stdout.read()}")

    def seconds(self, said):
        return json.loads(said)["seconds"]

    def check(self, said, count):
        if json.loads(said)["succeeded"] != count:
            raise CountMismatch(f"fanout_client was to send {count}: {said}")


def other_senders(world, with_plain):
    if world.case not in PLATFORMS:  # Web Push: they cannot encrypt each message to its browser
        return []
    requests = _RequestMaker(world, world.settings.connections)
    return [H2load(world, requests)] + ([PlainClient(world, requests)] if with_plain else [])
