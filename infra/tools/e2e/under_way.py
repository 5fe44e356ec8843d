"""The work in progress in the cloud, so that a test can wait until it is done."""

import contextlib
import threading

from ministack.core.responses import _request_account_id, _request_region

_lock = threading.Lock()
_open = 0
_begun = 0


def count():
    """How much is in progress, and how much has ever begun."""
    with _lock:
        return _open, _begun


@contextlib.contextmanager
def one():
    """Something is in progress."""
    _begin()
    try:
        yield
    finally:
        _end()


def counted(work):
    """The same work, in progress while it is done."""

    def done(*of, **named):
        with one():
            return work(*of, **named)

    return done


def in_thread(work, *of):
    """Does it in a thread of its own, for the same account. It is in progress from now on."""
    account, region = _request_account_id.get(), _request_region.get()

    def run():
        _request_account_id.set(account)
        _request_region.set(region)
        try:
            work(*of)
        finally:
            _end()

    _begin()
    threading.Thread(target=run, daemon=True).start()


def _begin():
    global _open, _begun
    with _lock:
        _open += 1
        _begun += 1


def _end():
    global _open
    with _lock:
        _open -= 1
