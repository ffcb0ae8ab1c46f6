"""Waiting for something that another process does: a condition and a deadline, never a fixed time."""

import threading
import time


class DeadlinePassed(AssertionError):
    pass


def eventually(condition, within_s, what, every_s=0.02):
    """Asks `condition` until its answer is true and returns that answer.

    `what` completes the sentence "… did not happen"; a callable is asked only then.
    """
    pause = threading.Event()
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            sentence = what() if callable(what) else what
            raise DeadlinePassed(f"within {within_s} s this did not happen: {sentence}")
        pause.wait(every_s)
