"""A cloud with a standing clock, so that what takes months is seen in seconds.

The clock is set by posts to CLOCK_PORT, whose bodies are seconds since 1970:

  /begin    an empty account, at that instant
  /reach    that instant, when everything is done that came due on the way, each at its own instant
  /jump     the same, but nothing is done on the way: everything comes late
  /settle   nothing is left to do at this instant; the body is empty

Each answers when nothing is left to do: 200 without a body; or 500, and the state of the cloud.

The functions are as they are deployed: CLOCK_LIBRARY, which is clock.c, shows their processes the
clock. Services that act by time use it as well; signatures, and code that only waits, use the real
time.
"""

import http.server
import json
import math
import os
import threading
import time

from ministack.core import lambda_runtime, sigv4
from ministack.services import dynamodb, eventbridge, lambda_svc, scheduler, ses, ses_v2, sqs

import clock
import streams
import under_way

# How long something may take at one instant, in seconds.
PATIENCE = 60

# Held while queues are searched for messages: meanwhile each message is either waiting or taken.
POLLING = threading.Lock()


def begin():
    clock.lay_out()
    for module in [dynamodb, eventbridge, scheduler, ses_v2, sqs]:
        module.time = clock.Time()
    # The clock of the signer is not that of the verifier.
    sigv4.request_time_failure = lambda *_, **__: None
    # Services that act by time act when the clock is set.
    scheduler._ticker_loop = eventbridge._scheduler_loop = lambda: None
    lambda_svc._poll_sqs = undisturbed(lambda_svc._poll_sqs)
    lambda_svc._provided_worker_env = by_the_clock(lambda_svc._provided_worker_env)
    in_a_hurry()
    port = int(os.environ["CLOCK_PORT"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def undisturbed(poll):
    def polled():
        with POLLING:
            return poll()

    return polled


def by_the_clock(environment):
    def of(*function):
        return environment(*function) | {"LD_PRELOAD": os.environ["CLOCK_LIBRARY"]}

    return of


def in_a_hurry():
    """Everything that waits for its next poll polls now, and nothing waits for log lines of
    functions.
    """
    emit = dynamodb._emit_stream_event

    def emitted(*of, **named):
        emit(*of, **named)
        streams.RECORDED.set()

    dynamodb._emit_stream_event = emitted
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.001
    lambda_runtime.Worker._drain_stderr_bounded = lambda worker, **_: worker._drain_stderr()


class Told(http.server.BaseHTTPRequestHandler):
    """Handles the posts to the clock, one after the other."""

    ONE = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        deeds = {"/begin": forget, "/reach": reach, "/jump": move, "/settle": settle}
        try:
            with self.ONE:
                deeds[self.path](*([json.loads(body)] if body else []))
            self.answer(200, "")
        except Exception as error:
            lambda_svc.logger.exception("the clock was told %s", self.path)
            self.answer(500, repr(error))

    def answer(self, status, said):
        self.send_response(status)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_):
        pass


def reach(instant):
    settle()
    while (due := next_due()) <= instant:
        move(due)
    move(instant)


def move(instant):
    """Sets the clock, and has everything done that is due."""
    clock.stand(instant)
    scheduler._tick_schedules()
    # A rule that goes off every few minutes goes off once, however many periods have passed.
    eventbridge._tick_scheduled_rules()
    lambda_svc._esm_wake.set()
    settle()


def next_due():
    """When a schedule goes off next, or a hidden message becomes visible: in seconds since 1970,
    to be waited for.
    """
    now = clock.now()
    schedules = (scheduler._at_time_epoch(one["ScheduleExpression"]) for one in scheduler._schedules._data.values())
    hidden = (message["visible_at"] for queue in queues() for message in queue["messages"])
    ahead = [due for due in [*schedules, *hidden] if due is not None and due > now]
    return math.ceil(min(ahead, default=math.inf)) if ahead else math.inf


def settle():
    until = time.monotonic() + PATIENCE
    while left := still_to_do():
        if time.monotonic() > until:
            raise TimeoutError(f"after {PATIENCE} s there is still {', '.join(left)}")
        time.sleep(0.001)


def still_to_do():
    """What is left to do at this instant, as text.

    Work moves from one place to another only while something is in progress. If nothing was in
    progress and nothing began while all places were looked at, no work has moved meanwhile.
    """
    under_way_before, begun_before = under_way.count()
    if under_way_before:
        return ["something under way"]
    with POLLING:
        left = [f"a stream to be read by {function}" for function in streams.behind()]
        left += [f"a batch of mapping {mapping}" for mapping in list(lambda_svc._esm_inflight)]
        now = clock.now()
        for queue in queues():
            if any(message["visible_at"] <= now for message in queue["messages"]):
                left.append(f"a message in {queue['name']}")
    if under_way.count() != (0, begun_before):
        left.append("something under way")
    return left


def queues():
    """The queues that a function consumes."""
    for _, _, mapping in lambda_svc._iter_all_esms():
        if queue := sqs._queue_by_arn(mapping["EventSourceArn"]):
            yield queue


def forget(instant):
    """Deletes everything, and ends every environment: a process never sees its clock fall."""
    settle()
    for _, table in dynamodb._tables.all_items():
        table["items"].clear()
        dynamodb._items_replaced(table)
    streams.skip()
    for queue in sqs._queues._data.values():
        queue["messages"] = []
    scheduler._schedules.clear()
    scheduler._schedule_last_fired.clear()
    ses._sent_emails.clear()
    with lambda_runtime._lock:
        ended = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        lambda_runtime._workers.clear()
    threading.Thread(target=lambda_runtime.kill_workers, args=(ended,), daemon=True).start()
    for rule in eventbridge._rules._data:
        eventbridge._rule_last_fired[rule] = instant
    move(instant)
