"""`commands.py`: does the AWS CLI know each command? Lists of arguments come on standard input, as
JSON.

Errors go to standard output, as a list of sentences. The CLI makes its options out of the same
models that boto3 has: services, operations, parameters, waiters. No service is called.
"""

import json
import sys

import botocore.session
import jmespath
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

# Options of the CLI itself; those with a value.
OWN = {"--query", "--output", "--region", "--profile", "--cli-binary-format", "--endpoint-url"}
# Where the CLI has other names than the models; and `aws s3`, whose commands are in no model.
NAMED = {"s3api": "s3"}
FILES = {"cp": {"--recursive"}, "rm": {"--recursive"}, "rb": {"--force"}, "ls": set()}


def complaints(session, command):
    words = command[1:]
    if len(words) < 2:
        return "a service and an operation are missing"
    service, operation, *rest = words
    if service == "s3":
        options = {word for word in rest if word.startswith("--")}
        if operation not in FILES:
            return f"`aws s3` has no {operation} here"
        unknown = options - FILES[operation]
        return f"`aws s3 {operation}` has no {', '.join(sorted(unknown))}" if unknown else None
    service = NAMED.get(service, service)
    try:
        model = session.get_service_model(service)
    except UnknownServiceError:
        return f"there is no service {service}"
    if operation == "wait":
        waiters = session.get_waiter_model(service)
        named = {xform_name(name).replace("_", "-"): name for name in waiters.waiter_names}
        if not rest or rest[0] not in named:
            return f"{service} has no waiter {rest[:1]}"
        operation_name = waiters.get_waiter(named[rest[0]]).operation
        rest = rest[1:]
    else:
        named = {xform_name(name).replace("_", "-"): name for name in model.operation_names}
        if operation not in named:
            return f"{service} has no operation {operation}"
        operation_name = named[operation]
    return of_options(model.operation_model(operation_name), rest)


def of_options(operation, words):
    shape = operation.input_shape
    members = shape.members if shape else {}
    known = {"--" + xform_name(name).replace("_", "-"): name for name in members}
    given = set()
    position = 0
    while position < len(words):
        word = words[position]
        if word in OWN:
            if word == "--query":
                try:
                    jmespath.compile(words[position + 1])
                except jmespath.exceptions.ParseError as wrong:
                    return f"{operation.name}: {wrong}"
            position += 2
            continue
        if not word.startswith("--"):
            # The file that an answer is streamed into is the one argument without a name.
            if not operation.has_streaming_output:
                return f"{operation.name}: what is `{word}`?"
            position += 1
            continue
        name = known.get(word)
        negated = known.get("--" + word.removeprefix("--no-")) if word.startswith("--no-") else None
        if name is None and negated is None:
            return f"{operation.name} has no {word}"
        given.add(name or negated)
        position += 1
        if name is None or members[name].type_name == "boolean":
            continue
        while position < len(words) and not words[position].startswith("--"):
            position += 1
            if members[name].type_name != "list":
                break
    missing = set(shape.required_members if shape else []) - given
    return f"{operation.name} needs {', '.join(sorted(missing))}" if missing else None


def main():
    session = botocore.session.get_session()
    commands = json.load(sys.stdin)
    found = [(command, complaints(session, command)) for command in commands]
    json.dump([f"`{' '.join(command)}`: {why}" for command, why in found if why], sys.stdout)


if __name__ == "__main__":
    main()
