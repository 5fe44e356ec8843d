"""`cli.py SERVICE OPERATION --options…`: as much of the AWS CLI as the pages use, so that a test
can run their commands.

The real one is no package that could be pinned here. Options are the parameters of the operation's
model, as for the CLI: texts, numbers, yes and `--no-…`, lists, JSON, `key=value,…` and `file://…`.
`--query` is JMESPath. `--output text` prints as the CLI does, one list in a line with tabs. Answers
in pages are put together.
"""

import json
import pathlib
import sys

import boto3
import jmespath
from botocore import xform_name

from commands import NAMED


def value_of(shape, words):
    """The value of an option."""
    if shape.type_name == "list" and not words[0].startswith(("[", "file://")):
        return [value_of(shape.member, [word]) for word in words]
    text = words[0]
    if text.startswith("file://"):
        text = pathlib.Path(text.removeprefix("file://")).read_text()
    if shape.type_name in ("structure", "map", "list"):
        if text.lstrip().startswith(("{", "[")):
            return json.loads(text)
        pairs = (pair.split("=", 1) for pair in text.split(","))
        return {name: value_of(shape.members[name], [word]) for name, word in pairs}
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name == "blob":
        return text.encode()
    return text


def parameters_of(operation, words):
    members = operation.input_shape.members if operation.input_shape else {}
    named = {xform_name(name).replace("_", "-"): name for name in members}
    parameters, own, files = {}, {}, []
    while words:
        word, words = words[0], words[1:]
        if not word.startswith("--"):
            files.append(word)
            continue
        option = word.removeprefix("--")
        behind = 0
        while behind < len(words) and not words[behind].startswith("--"):
            behind += 1
        if option not in named and option.startswith("no-"):
            parameters[named[option.removeprefix("no-")]] = False
            continue
        if option not in named:
            own[option], words = words[0], words[1:]
            continue
        shape = members[named[option]]
        if shape.type_name == "boolean" and behind == 0:
            parameters[named[option]] = True
            continue
        taken = behind if shape.type_name == "list" else 1
        parameters[named[option]] = value_of(shape, words[:taken])
        words = words[taken:]
    return parameters, own, files


def shown(value):
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def printed(answer, output):
    if output != "text":
        return json.dumps(answer, indent=4)
    if isinstance(answer, list):
        rows = answer if answer and all(isinstance(row, list) for row in answer) else [answer]
        return "\n".join("\t".join(map(str, row)) for row in rows)
    return "None" if answer is None else str(answer)


def of_files(operation, *words):
    """`aws s3`: downloads an object, or deletes one."""
    bucket, _, key = words[0].removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    if operation == "cp":
        client.download_file(bucket, key, words[1])
    elif operation == "rm":
        client.delete_object(Bucket=bucket, Key=key)
    else:
        sys.exit(f"aws s3 {operation} is not known here")


def main(service, operation, *words):
    if service == "s3":
        of_files(operation, *words)
        return
    client = boto3.client(NAMED.get(service, service))
    if operation == "wait":
        waiter = client.get_waiter(words[0].replace("-", "_"))
        model = client.meta.service_model.operation_model(waiter.config.operation)
        parameters, _, _ = parameters_of(model, list(words[1:]))
        waiter.wait(**parameters)
        return
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    parameters, own, files = parameters_of(model, list(words))
    if client.can_paginate(method):
        answer = client.get_paginator(method).paginate(**parameters).build_full_result()
    else:
        answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata", None)
    for file in files:
        name = next(name for name, value in answer.items() if hasattr(value, "read"))
        pathlib.Path(file).write_bytes(answer.pop(name).read())
    # Queries and text output have instants as the CLI shows them.
    answer = json.loads(json.dumps(answer, default=shown))
    answer = jmespath.search(own["query"], answer) if "query" in own else answer
    if answer != {}:
        print(printed(answer, own.get("output")))


if __name__ == "__main__":
    main(*sys.argv[1:])
