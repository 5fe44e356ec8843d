"""Streams of tables, delivered to their functions as AWS does it."""

import json
import threading
import time
import uuid

from ministack.core.arn import parse_arn
from ministack.core.responses import _request_account_id, _request_region
from ministack.services import dynamodb, lambda_svc, s3

import clock


class Shard:
    """How far a function has read a stream, and its retries."""

    def __init__(self, position):
        self.position = position
        # How many records the next batch has at most: halved by BisectBatchOnFunctionError.
        self.size = None
        self.tries = 0
        # By the real clock: waiting takes its usual time.
        self.not_before = 0.0


SHARDS = {}

# AWS polls four times a second. A caller that is in a hurry says when there is something to see.
POLL_INTERVAL_SECONDS = 0.25
RECORDED = threading.Event()


def follow_streams():
    """Delivers the streams of tables to their functions, once. Answers whether anything was done.

    AWS continues after a batch only up to the first failed record that the function reported;
    halves a batch that made the function fail; and stores what grew too old, with its records, in
    the bucket named as the destination. MiniStack counts a reported record as done, which loses it.
    """
    worked = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        if ":dynamodb:" not in mapping.get("EventSourceArn", "") or not mapping.get("Enabled", True):
            continue
        tokens = _request_account_id.set(account), _request_region.set(region)
        try:
            worked |= follow(mapping)
        finally:
            _request_account_id.reset(tokens[0])
            _request_region.reset(tokens[1])
    return worked


def follow(mapping):
    table = table_of(mapping)
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    if function is None:
        return False
    shard = SHARDS.get(mapping["UUID"])
    if shard is None:
        from_the_start = mapping.get("StartingPosition") == "TRIM_HORIZON"
        begin = dynamodb.stream_start_position if from_the_start else dynamodb.stream_end_position
        shard = SHARDS[mapping["UUID"]] = Shard(begin(table))
    if time.monotonic() < shard.not_before:
        return False
    raw = dynamodb.stream_records_since(table, shard.position, shard.size or int(mapping.get("BatchSize", 100)))
    if not raw:
        return False
    batch = lambda_svc._apply_filter_criteria(raw, mapping)
    failed = fails(mapping, function, batch) if batch else None
    if failed is None:
        shard.position += len(raw)
        shard.size, shard.tries = None, 0
        return True
    done = next((at for at, record in enumerate(raw) if sequence(record) == failed), 0)
    if failed == ALL and len(raw) > 1 and mapping.get("BisectBatchOnFunctionError"):
        shard.size = (len(raw) + 1) // 2
        return True
    shard.position += done
    shard.tries = 1 if done else shard.tries + 1
    first = raw[done]
    limit = int(mapping.get("MaximumRetryAttempts", -1))
    oldest = int(mapping.get("MaximumRecordAgeInSeconds", -1))
    age = clock.now() - float(first["dynamodb"]["ApproximateCreationDateTime"])
    if (0 <= limit < shard.tries) or (0 <= oldest < age):
        leave_behind(mapping, function, [first])
        shard.position += 1
        shard.size, shard.tries = None, 0
        return True
    shard.not_before = time.monotonic() + min(2.0 ** min(shard.tries, 5) / 4, 8.0)
    return done > 0


ALL = "all of them"


def fails(mapping, function, batch):
    """The number of the first failed record; `ALL` if the function failed; `None` if nothing
    did.
    """
    result = lambda_svc._execute_function(function, {"Records": batch})
    mapping["LastProcessingResult"] = "PROBLEM" if result.get("error") else "OK"
    if result.get("error"):
        lambda_svc.logger.warning("stream batch failed in %s: %s", mapping["FunctionName"], result.get("body"))
        return ALL
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        return None
    body = result.get("body") or {}
    reported = {failure.get("itemIdentifier") for failure in body.get("batchItemFailures") or []}
    if not reported:
        return None
    # AWS treats an unknown identifier as a failure of the whole batch.
    if not reported <= {sequence(record) for record in batch}:
        return ALL
    return next(sequence(record) for record in batch if sequence(record) in reported)


def sequence(record):
    return record["dynamodb"]["SequenceNumber"]


def leave_behind(mapping, function, batch):
    """Stores records in the bucket of the destination, with names and content as on AWS."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
    if not destination.startswith("arn:aws:s3:::"):
        return
    now = time.gmtime(clock.now())
    day, moment = time.strftime("%Y/%m/%d", now), time.strftime("%Y-%m-%dT%H.%M.%S", now)
    shard = "shardId-00000000000000000000-00000000"
    key = f"aws/lambda/{mapping['UUID']}/{shard}/{day}/{moment}-{uuid.uuid4()}"
    about = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": function["config"]["FunctionArn"],
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": sequence(batch[0]),
            "endSequenceNumber": sequence(batch[-1]),
            "batchSize": len(batch),
            "streamArn": mapping["EventSourceArn"],
        },
        "payload": json.dumps({"Records": batch}),
    }
    s3._put_object(destination.rsplit(":", 1)[1], key, json.dumps(about).encode(), {})


def poll_all(queues):
    """Queues and streams concurrently: on AWS one mapping does not wait for another."""
    threading.Thread(target=poll_streams, daemon=True).start()
    queues()


def poll_streams():
    while True:
        RECORDED.clear()
        try:
            worked = follow_streams()
        except Exception:
            lambda_svc.logger.exception("following a stream failed")
            worked = False
        if not worked:
            RECORDED.wait(POLL_INTERVAL_SECONDS)


def table_of(mapping):
    return lambda_svc._dynamodb_stream_table_from_arn_spec(parse_arn(mapping["EventSourceArn"]))[0]


def behind():
    """The functions that have not read a stream to its end."""
    return [mapping["FunctionName"] for mapping, shard, end in shards() if shard.position < end]


def skip():
    """What has been recorded so far is not read."""
    for _, shard, end in shards():
        shard.position, shard.size, shard.tries, shard.not_before = end, None, 0, 0.0


def shards():
    """Every shard, with its mapping and the end of its stream."""
    for account, region, mapping in lambda_svc._iter_all_esms():
        if shard := SHARDS.get(mapping["UUID"]):
            yield mapping, shard, dynamodb.stream_end_position(table_of(mapping), account_id=account, region=region)
