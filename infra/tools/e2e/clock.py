"""What time it is in the cloud: the world's time or, where a clock stands, what that was told last.

STANDING_CLOCK is the file that holds it, for the functions too: clock.c reads it in their processes.
"""

import mmap
import os
import struct
import time

_told = None


def now():
    """Seconds since 1970."""
    told = struct.unpack("=q", _told[:8])[0] if _told else 0
    return float(told) if told else time.time()


def lay_out():
    """Makes a clock that stands as soon as it is told."""
    global _told
    with open(os.environ["STANDING_CLOCK"], "w+b") as file:
        file.write(struct.pack("=q", 0))
        file.flush()
        _told = mmap.mmap(file.fileno(), 8)


def stand(seconds):
    """From now on it is so late, for everybody at once."""
    _told[:8] = struct.pack("=q", int(seconds))


class Time:
    """The module `time` for whoever lives by this clock: only what time it is differs, waiting takes as long as ever."""

    def time(self):
        return now()

    def __getattr__(self, name):
        return getattr(time, name)
