"""The time in the cloud: the real time or, if a clock stands still, the time that was set last.

STANDING_CLOCK is the file that holds it, for the functions too: clock.c reads it in their
processes.
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
    """Makes a clock that stands still as soon as it is set."""
    global _told
    with open(os.environ["STANDING_CLOCK"], "w+b") as file:
        file.write(struct.pack("=q", 0))
        file.flush()
        _told = mmap.mmap(file.fileno(), 8)


def stand(seconds):
    """Sets the time, for all readers at once."""
    _told[:8] = struct.pack("=q", int(seconds))


class Time:
    """The module `time` for code that uses this clock: the time differs, but waiting takes its
    usual time.
    """

    def time(self):
        return now()

    def __getattr__(self, name):
        return getattr(time, name)
