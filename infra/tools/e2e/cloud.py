"""A cloud on this machine for `make e2e`: MiniStack, made as strict as AWS in what the stack relies on.

MiniStack is an emulator of AWS in one process. Where it is kinder or poorer than AWS in something that a promise of ours
rests on, it is mended here; each function below says what AWS does and what MiniStack does. docs/testing.md lists what is
left. The release is pinned in infra/tools/emulators/ministack.txt, so what is mended is what was read.

Settings are MiniStack's own: GATEWAY_PORT, BIND_HOST, MINISTACK_HOST, AUTH, and AWS_ENDPOINT_URL for the functions.
"""

import json
import os
import secrets
import signal
import string
import sys
import threading
import time
import uuid

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.core.arn import parse_arn
from ministack.core.responses import _request_account_id, _request_region, get_account_id, get_region
from ministack.services import dynamodb, eventbridge, lambda_svc, s3, ses_v2
from ministack.services.cloudformation import provisioners


# Streams


class Lane:
    """How far a function has read a stream, and how it fares."""

    def __init__(self, position):
        self.position = position
        # How many records the next batch has at most: halved by BisectBatchOnFunctionError.
        self.size = None
        self.tries = 0
        self.not_before = 0.0


LANES = {}


def follow_streams():
    """Hands the tables' streams to their functions, once. Answers whether anything was done.

    AWS goes on behind a batch only as far as the function did not report a failed record; halves a batch that made the
    function fail; and keeps what grew too old, with its records, in the bucket named as the destination. MiniStack
    counts a reported record as done, which loses it.
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
    table, _ = lambda_svc._dynamodb_stream_table_from_arn_spec(parse_arn(mapping["EventSourceArn"]))
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    if function is None:
        return False
    lane = LANES.get(mapping["UUID"])
    if lane is None:
        from_the_start = mapping.get("StartingPosition") == "TRIM_HORIZON"
        begin = dynamodb.stream_start_position if from_the_start else dynamodb.stream_end_position
        lane = LANES[mapping["UUID"]] = Lane(begin(table))
    if time.time() < lane.not_before:
        return False
    raw = dynamodb.stream_records_since(table, lane.position, lane.size or int(mapping.get("BatchSize", 100)))
    if not raw:
        return False
    batch = lambda_svc._apply_filter_criteria(raw, mapping)
    failed = fails(mapping, function, batch) if batch else None
    if failed is None:
        lane.position += len(raw)
        lane.size, lane.tries = None, 0
        return True
    done = next((at for at, record in enumerate(raw) if sequence(record) == failed), 0)
    if failed == ALL and len(raw) > 1 and mapping.get("BisectBatchOnFunctionError"):
        lane.size = (len(raw) + 1) // 2
        return True
    lane.position += done
    lane.tries = 1 if done else lane.tries + 1
    first = raw[done]
    limit = int(mapping.get("MaximumRetryAttempts", -1))
    oldest = int(mapping.get("MaximumRecordAgeInSeconds", -1))
    age = time.time() - float(first["dynamodb"]["ApproximateCreationDateTime"])
    if (0 <= limit < lane.tries) or (0 <= oldest < age):
        leave_behind(mapping, function, [first])
        lane.position += 1
        lane.size, lane.tries = None, 0
        return True
    lane.not_before = time.time() + min(2.0 ** min(lane.tries, 5) / 4, 8.0)
    return done > 0


ALL = "all of them"


def fails(mapping, function, batch):
    """The first record that failed, by its number; `ALL` if the function failed; `None` if nothing did."""
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
    # AWS takes an identifier that it does not know for a failure of the whole batch.
    if not reported <= {sequence(record) for record in batch}:
        return ALL
    return next(sequence(record) for record in batch if sequence(record) in reported)


def sequence(record):
    return record["dynamodb"]["SequenceNumber"]


def leave_behind(mapping, function, batch):
    """Keeps records in the bucket that is the destination, as AWS names and forms it."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
    if not destination.startswith("arn:aws:s3:::"):
        return
    now = time.gmtime()
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
    """Queues and streams side by side: on AWS one mapping doesn't wait for another."""
    threading.Thread(target=poll_streams, daemon=True).start()
    queues()


def poll_streams():
    while True:
        try:
            worked = follow_streams()
        except Exception:
            lambda_svc.logger.exception("following a stream failed")
            worked = False
        if not worked:
            # AWS looks four times a second.
            time.sleep(0.25)


# Permissions


def as_policies_name_it(resource):
    """What a call is about, as AWS has policies name it: a schedule with its group, a mail with who sends it.

    To MiniStack every group is `default`, and a mail is about nothing.
    """

    def named(service, method, path, headers, body, query, region, account):
        arn = resource(service, method, path, headers, body, query, region, account)
        if service == "scheduler" and ":schedule/default/" in arn:
            asked = (query or {}).get("groupName") or (json.loads(body).get("GroupName") if body else None) or "default"
            group = asked[0] if isinstance(asked, list) else asked
            return arn.replace(":schedule/default/", f":schedule/{group}/")
        if method == "POST" and path == "/v2/email/outbound-emails":
            sender = json.loads(body).get("FromEmailAddress", "")
            address = sender.rpartition("<")[2].rstrip(">")
            return f"arn:aws:ses:{region}:{account}:identity/{address}"
        return arn

    return named


def without_batches(action):
    """On AWS a call for a batch is allowed as the call for one message. MiniStack asks for an action of its own."""

    def of_one(*of):
        asked = action(*of)
        return asked.removesuffix("Batch") if asked and asked.startswith("sqs:") else asked

    return of_one


# Queues


def at_least_once(run):
    """SQS delivers at least once: here every batch comes twice, to two environments side by side.

    The first copy's answer is never heard. MiniStack delivers once.
    """

    def run_twice(mapping, function, event, *rest):
        account, region = _request_account_id.get(), _request_region.get()
        threading.Thread(target=unheard, args=(account, region, function, event), daemon=True).start()
        return run(mapping, function, event, *rest)

    return run_twice


def whole(count):
    """CloudFormation's parameters are texts; MiniStack compares them with numbers."""
    return lambda *of: int(count(*of))


def unheard(account, region, function, event):
    _request_account_id.set(account)
    _request_region.set(region)
    lambda_svc._execute_function(function, event)


# Secrets


def readable(make):
    """AWS leaves punctuation out where ExcludePunctuation says so. MiniStack's CloudFormation does not."""

    def make_secret(props):
        wanted = props.get("GenerateSecretString") or {}
        if not wanted.get("ExcludePunctuation") or "SecretStringTemplate" in wanted:
            return make(props)
        letters = string.ascii_letters + string.digits
        return "".join(secrets.choice(letters) for _ in range(int(wanted.get("PasswordLength", 32))))

    return make_secret


# Functions


def after_their_work(invalidate):
    """An environment that a deployment or an error has ended finishes what it is at. MiniStack kills it at its work."""

    def invalidated(name, *of, **named):
        busy = []
        with lambda_runtime._lock:
            for key, pool in lambda_runtime._workers.items():
                if name in key.split(":"):
                    busy += [worker for worker in pool if worker.in_use]
                    pool[:] = [worker for worker in pool if not worker.in_use]
        invalidate(name, *of, **named)
        for worker in busy:
            threading.Thread(target=end_later, args=(worker,), daemon=True).start()

    return invalidated


def end_later(worker):
    until = time.time() + 120
    while worker.in_use and time.time() < until:
        time.sleep(0.1)
    lambda_runtime.kill_workers([worker])


def retried(arn, payload):
    """AWS invokes a rule's function asynchronously: it tries again, and then uses the destination for failures.

    MiniStack tries once.
    """
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function and config:
        lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))


# Mail

# Who bounces and who complains: SES's own simulator. What stands behind a plus sign doesn't matter.
SIMULATOR = "simulator.amazonses.com"


def with_events(handle):
    """SES tells of what became of a mail, where the configuration set says so; its simulator bounces and complains.

    MiniStack tells nothing, and bounces nothing.
    """

    async def handle_request(method, path, headers, body, query):
        answer = await handle(method, path, headers, body, query)
        if method == "POST" and path == "/v2/email/outbound-emails" and answer[0] == 200:
            sent = json.loads(body)
            receipt = json.loads(answer[2])["MessageId"]
            account, region = get_account_id(), get_region()
            threading.Thread(target=tell, args=(account, region, sent, receipt), daemon=True).start()
        return answer

    return handle_request


def tell(account, region, sent, receipt):
    _request_account_id.set(account)
    _request_region.set(region)
    configuration = sent.get("ConfigurationSetName", "")
    record = ses_v2._config_sets.get(configuration) or {}
    for destination in (record.get("EventDestinations") or {}).values():
        if destination.get("Enabled") and destination.get("EventBridgeDestination"):
            wanted = {kind.upper() for kind in destination.get("MatchingEventTypes", [])}
            for kind, about in became(sent):
                if kind.upper() in wanted:
                    publish(kind, notice(kind, about, sent, receipt, configuration))


def became(sent):
    """What becomes of a mail: events in order, each with what it adds."""
    now = moment()
    yield "Send", {}
    for address in recipients(sent):
        mailbox, _, host = address.lower().partition("@")
        mailbox = mailbox.partition("+")[0] if host == SIMULATOR else ""
        if mailbox == "bounce":
            bounced = {"emailAddress": address, "action": "failed", "status": "5.1.1"}
            yield "Bounce", {"bounceType": "Permanent", "bounceSubType": "General", "timestamp": now,
                             "bouncedRecipients": [bounced]}
            continue
        yield "Delivery", {"timestamp": now, "recipients": [address], "processingTimeMillis": 1}
        if mailbox == "complaint":
            yield "Complaint", {"timestamp": now, "complainedRecipients": [{"emailAddress": address}]}


def notice(kind, about, sent, receipt, configuration):
    tags = {tag["Name"]: [tag["Value"]] for tag in sent.get("EmailTags") or []}
    tags["ses:configuration-set"] = [configuration]
    mail = {
        "timestamp": moment(),
        "source": sent.get("FromEmailAddress", ""),
        "messageId": receipt,
        "destination": recipients(sent),
        "headersTruncated": False,
        "tags": tags,
    }
    return {"eventType": kind, "mail": mail, kind.lower(): about}


def recipients(sent):
    destination = sent.get("Destination") or {}
    return [address for group in ("ToAddresses", "CcAddresses", "BccAddresses") for address in destination.get(group) or []]


def moment():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


DETAIL_TYPES = {
    "Send": "Email Sent",
    "Delivery": "Email Delivered",
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
}


def publish(kind, detail):
    eventbridge._dispatch_event({
        "EventId": str(uuid.uuid4()),
        "Source": "aws.ses",
        "DetailType": DETAIL_TYPES[kind],
        "Detail": json.dumps(detail),
        "EventBusName": "default",
        "Time": int(time.time()),
        "Resources": [],
        "Account": get_account_id(),
        "Region": get_region(),
    })


def mend():
    queues = lambda_svc._poll_loop
    lambda_svc._poll_loop = lambda: poll_all(queues)
    lambda_svc._poll_dynamodb_streams = lambda: False
    iam_actions.extract_resource_arn = as_policies_name_it(iam_actions.extract_resource_arn)
    iam_actions.extract_iam_action = without_batches(iam_actions.extract_iam_action)
    lambda_svc._sqs_esm_concurrency = whole(lambda_svc._sqs_esm_concurrency)
    lambda_svc._run_sqs_batch = at_least_once(lambda_svc._run_sqs_batch)
    provisioners._sm_secret_string = readable(provisioners._sm_secret_string)
    lambda_svc.invalidate_worker = after_their_work(lambda_svc.invalidate_worker)
    eventbridge._dispatch_to_lambda = retried
    ses_v2.handle_request = with_events(ses_v2.handle_request)


def end_with_the_starter():
    """Ends this process when nobody holds its standard input any more, however whoever started it came to its end."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    mend()
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    app.main()
