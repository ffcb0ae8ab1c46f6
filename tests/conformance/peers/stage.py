"""Where a provider and the servers before it play: one thread that waits for all of them at once.

Nothing here happens by itself: sockets are read and written only inside `until`, so that a test says
in which order things happen.
"""

import json
import os
import selectors
import subprocess
import time

# The longest that anything may take; a test that passes never waits for it.
PATIENCE_S = 30


class Stage:
    def __init__(self):
        self._selector = selectors.DefaultSelector()

    def watch(self, source, on_ready, events=selectors.EVENT_READ):
        self._selector.register(source, events, on_ready)

    def expect(self, source, events):
        """What `source` is to be waited for from now on."""
        key = self._selector.get_key(source)
        if key.events != events:
            self._selector.modify(source, events, key.data)

    def forget(self, source):
        self._selector.unregister(source)

    def until(self, condition, what, look_again_s=PATIENCE_S):
        """Lets everything go on until `condition` holds; `what` completes "… did not happen".

        `look_again_s`: for a condition that changes without anything to read here.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"within {PATIENCE_S} s this did not happen: {what}")
            for key, events in self._selector.select(min(left, look_again_s)):
                key.data(events)

    def close(self):
        self._selector.close()


class Driver:
    """The provider of our library, in a process of its own (provider_driver.cc)."""

    def __init__(self, stage, configuration):
        self._stage = stage
        self._process = subprocess.Popen([os.environ["CARILLON_PROVIDER_DRIVER"]],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._rest = b""
        self._next_tag = 0
        self._over = False
        self.verdicts = {}   # tag → verdict
        self.repeated = []   # tags that had a verdict already
        self.health = None
        self.ready = False
        os.set_blocking(self._process.stdout.fileno(), False)
        stage.watch(self._process.stdout, self._hear)
        self._say(configuration)
        stage.until(lambda: self.ready, "the provider is made")

    def submit(self, count, **more):
        """Sends to `count` devices more; returns their tags."""
        tags = range(self._next_tag, self._next_tag + count)
        self._next_tag += count
        self.submit_again(tags, **more)
        return tags

    def submit_again(self, tags, **more):
        self._say({"submit": {"first": tags[0], "count": len(tags), **more}})

    def settled(self, tags):
        return all(tag in self.verdicts for tag in tags)

    def until_settled(self, tags):
        self._stage.until(lambda: self.settled(tags), f"every request of {tags} is settled")
        return [self.verdicts[tag] for tag in tags]

    def ask_health(self):
        self.health = None
        self._say({"health": True})
        self._stage.until(lambda: self.health is not None, "the provider tells its health")
        return self.health

    def resident_kib(self):
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def close(self):
        """Ends the process, whatever state it is in; returns its exit code."""
        self._process.stdin.close()
        try:
            self._stage.until(lambda: self._over, "the provider closes")
        finally:
            if not self._over:
                self._process.kill()
                self._stage.forget(self._process.stdout)
            self._process.stdout.close()
            code = self._process.wait()
        return code

    def _say(self, line):
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        self._process.stdin.flush()

    def _hear(self, _events):
        chunk = self._process.stdout.read()
        if chunk == b"":
            self._over = True
            self._stage.forget(self._process.stdout)
            return
        *lines, self._rest = (self._rest + (chunk or b"")).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, line):
        self.ready |= line.get("ready", False)
        self.health = line.get("health", self.health)
        if "problems" in line:
            raise AssertionError(f"the provider cannot be made: {line['problems']}")
        for verdict in line.get("verdicts", []):
            if verdict["tag"] in self.verdicts:
                self.repeated.append(verdict["tag"])
            self.verdicts[verdict["tag"]] = verdict
