"""A cloud on this machine for `make e2e`: MiniStack, made as strict as AWS where the stack depends
on it.

MiniStack is an emulator of AWS in one process. Where it is less strict or less complete than AWS,
and a promise of Dacapo depends on that, it is patched here; each function below says what AWS does
and what MiniStack does. docs/testing.md lists the remaining differences. The release is pinned in
infra/tools/emulators/ministack.txt, so the patches fit.

Settings are MiniStack's own: GATEWAY_PORT, BIND_HOST, MINISTACK_HOST, AUTH, and AWS_ENDPOINT_URL
for the functions; and those of standing.py, for a cloud with a standing clock.
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
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc, ses_v2, sqs
from ministack.services.cloudformation import provisioners

import clock
import standing
import streams
import under_way


# Permissions


def as_policies_name_it(resource):
    """The resource of a call, as AWS has policies name it: a schedule with its group, a mail with
    its sender.

    In MiniStack every group is `default`, and a mail has no resource.
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


def with_senders(resolve):
    """AWS tells policies the sender of a mail. MiniStack does not; with the patch above, the
    resource says it.
    """

    def resolved(key, asked):
        if key.lower() == "ses:fromaddress":
            return asked.resource_arn.rpartition(":identity/")[2] or None
        return resolve(key, asked)

    return resolved


def without_batches(action):
    """On AWS a call for a batch is allowed as the call for one message. MiniStack asks for an action of its own."""

    def of_one(*of):
        asked = action(*of)
        return asked.removesuffix("Batch") if asked and asked.startswith("sqs:") else asked

    return of_one


# Queues


def at_least_once(run):
    """SQS delivers at least once: here every batch comes twice, to two environments at the same
    time.

    The first copy's answer is dropped. MiniStack delivers once.
    """

    def run_twice(mapping, function, event, *rest):
        under_way.in_thread(lambda_svc._execute_function, function, event)
        return run(mapping, function, event, *rest)

    return run_twice


def whole(count):
    """CloudFormation's parameters are strings; MiniStack compares them with numbers."""
    return lambda *of: int(count(*of))


# What changes a queue.
CHANGES = ["SendMessage", "DeleteMessage", "ChangeMessageVisibility"]


def one_after_the_other(change):
    """AWS handles calls for a queue one after the other. MiniStack loses a message that is sent
    while it deletes one.
    """

    def changed(*of):
        with sqs._queues_lock:
            return change(*of)

    return changed


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
    """On AWS, an environment that is ended by a deployment or an error finishes its event.
    MiniStack kills it.
    """

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
    until = time.monotonic() + 120
    while worker.in_use and time.monotonic() < until:
        time.sleep(0.1)
    lambda_runtime.kill_workers([worker])


def retried(arn, payload):
    """AWS invokes a rule's function asynchronously: it retries, and then uses the destination for
    failures.

    MiniStack tries once.
    """
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function and config:
        record = lambda_svc._execution_record_for_config(function, config)
        under_way.in_thread(until_it_works, record, json.loads(payload))


def until_it_works(function, event):
    settings = function.get("event_invoke_config") or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}
    tries = int(settings.get("MaximumRetryAttempts", 2)) + 1
    for nth in range(tries):
        result = lambda_svc._execute_function(function, event)
        if not result.get("error"):
            return
        # AWS waits a minute, and then two.
        time.sleep(nth + 1 if nth + 1 < tries else 0)
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if destination:
        lambda_svc._route_async_failure(destination, function["config"]["FunctionName"], event, result)


# Mail

# Addresses that bounce and that complain, as in SES's own simulator. What follows a plus sign has
# no meaning.
SIMULATOR = "simulator.amazonses.com"


def with_events(handle):
    """SES reports what became of a mail, if the configuration set says so; its simulator bounces
    and complains.

    MiniStack reports nothing, and bounces nothing. Its account has no realistic rate of sending.
    """

    async def handle_request(method, path, headers, body, query):
        answer = await handle(method, path, headers, body, query)
        if method == "POST" and path == "/v2/email/outbound-emails" and answer[0] == 200:
            sent = json.loads(body)
            under_way.in_thread(tell, sent, json.loads(answer[2])["MessageId"])
        if method == "GET" and path == "/v2/email/account" and answer[0] == 200:
            # The tests do not wait for the pace of sending.
            account = json.loads(answer[2])
            account["SendQuota"] |= {"MaxSendRate": 1000.0, "Max24HourSend": -1.0}
            return answer[0], answer[1], json.dumps(account).encode()
        return answer

    return handle_request


def tell(sent, receipt):
    configuration = sent.get("ConfigurationSetName", "")
    record = ses_v2._config_sets.get(configuration) or {}
    for destination in (record.get("EventDestinations") or {}).values():
        if destination.get("Enabled") and destination.get("EventBridgeDestination"):
            wanted = {kind.upper() for kind in destination.get("MatchingEventTypes", [])}
            for kind, about in became(sent):
                if kind.upper() in wanted:
                    publish(kind, notice(kind, about, sent, receipt, configuration))


def became(sent):
    """The reports about a mail: events in order, each with its own members."""
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
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(clock.now()))


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
        "Time": int(clock.now()),
        "Resources": [],
        "Account": get_account_id(),
        "Region": get_region(),
    })


def mend():
    queues = lambda_svc._poll_loop
    lambda_svc._poll_loop = lambda: streams.poll_all(queues)
    lambda_svc._poll_dynamodb_streams = lambda: False
    iam_actions.extract_resource_arn = as_policies_name_it(iam_actions.extract_resource_arn)
    iam_evaluator._resolve_condition_key = with_senders(iam_evaluator._resolve_condition_key)
    iam_actions.extract_iam_action = without_batches(iam_actions.extract_iam_action)
    lambda_svc._sqs_esm_concurrency = whole(lambda_svc._sqs_esm_concurrency)
    for action in [*CHANGES, *(f"{action}Batch" for action in CHANGES)]:
        sqs._HANDLERS[action] = one_after_the_other(sqs._HANDLERS[action])
    eventbridge._dispatch_to_sqs = one_after_the_other(eventbridge._dispatch_to_sqs)
    lambda_svc._execute_function = under_way.counted(lambda_svc._execute_function)
    lambda_svc._run_sqs_batch = at_least_once(lambda_svc._run_sqs_batch)
    provisioners._sm_secret_string = readable(provisioners._sm_secret_string)
    lambda_svc.invalidate_worker = after_their_work(lambda_svc.invalidate_worker)
    eventbridge._dispatch_to_lambda = retried
    ses_v2.handle_request = with_events(ses_v2.handle_request)


def end_with_the_starter():
    """Ends this process when its standard input is closed, however the process that started it
    ended.
    """
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    mend()
    if "STANDING_CLOCK" in os.environ:
        standing.begin()
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    app.main()
