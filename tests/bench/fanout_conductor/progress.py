"""What is being done, on stderr, while the figures are still to come on stdout."""

import sys
import time

_BEGAN = time.monotonic()


def say(text):
    print(f"{time.monotonic() - _BEGAN:7.1f} s  {text}", file=sys.stderr, flush=True)
