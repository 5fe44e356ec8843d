"""Checks the served description with real clients, and the server against the description (`make
check-api`).

    check.py TYPES_DIRECTORY COMMAND…

starts `COMMAND… serve` in memory, on a free port of this machine and with a standing clock. Then

1. openapi-spec-validator checks the description,
2. openapi-typescript makes types of it, and tsc compiles a client that uses them under `strict`,
3. schemathesis makes every call that is described, with values made from the description: there must be no server error,
   and no answer that is not described.

The server is stopped in any case. The exit code is 1 if one of them found something; all three are
run.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
KEY = "check-api-admin-key-that-is-long-enough"
CLOCK = "2026-12-01T08:00:00Z"
BIN = pathlib.Path(sys.executable).parent

# How long the server may take to begin, in seconds.
BEGINS_WITHIN = 120
# How long one of the clients may take, in seconds. They are bounded by themselves; this is for one
# that hangs.
ENDS_WITHIN = 900

# What schemathesis checks: each answer is described, in its status, media type, headers and body;
# none is a server error; methods that are not described are refused; what was deleted is gone. That
# every call asks for its key is a test of the API instead
# (`every_call_asks_for_the_key_that_it_says`): a server slows down a client that sends hundreds of
# wrong keys.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "use_after_free",
]


def say(text):
    print(f"check-api: {text}", flush=True)


class Server:
    """The server, from the line that says it is ready until it is stopped."""

    def __init__(self, command, log):
        arguments = ["serve", "--port", "0", "--clock", CLOCK, "--api-key", KEY]
        # A process group of its own: whatever the command starts is stopped with it.
        self.process = subprocess.Popen(
            command + arguments,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        watch = threading.Timer(BEGINS_WITHIN, self.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            self.stop()
            raise SystemExit(f"check-api: the server did not begin: {log.read_text()}")
        self.url = json.loads(line)["url"]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def call(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(self.url + path, method=method, data=body)
        request.add_header("Authorization", f"Bearer {KEY}")
        request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()


def run(what, command, **how):
    """Runs a client; answers whether it passed."""
    say(what)
    begun = time.monotonic()
    try:
        status = subprocess.run([str(part) for part in command], timeout=ENDS_WITHIN, **how).returncode
    except subprocess.TimeoutExpired:
        status = "not in time"
    say(f"{what}: {'well' if status == 0 else f'NOT WELL ({status})'}, {time.monotonic() - begun:.0f} s")
    return status == 0


def there_is_something(server):
    """Contacts and a campaign, so that the examples of the description exist."""
    document = (REPOSITORY / "examples" / "appointment-loop.yaml").read_bytes()
    server.call("PUT", "/v1/campaigns/appointment-loop", document, "application/yaml")
    server.call("POST", "/v1/campaigns/appointment-loop/publish", b"{}")
    for name in ["ann", "bob", "eve"]:
        contact = {"email": f"{name}@example.com", "first_name": name.title(), "tags": ["Lead"]}
        server.call("POST", "/v1/hooks/contact", json.dumps(contact).encode())
    server.call("POST", "/dev/idle", b"{}")


def types(directory, description):
    shutil.copy(HERE / "client.ts", directory)
    tools = directory / "node_modules" / ".bin"
    made = run(
        "openapi-typescript makes types",
        [tools / "openapi-typescript", description, "--output", directory / "api.d.ts"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
    )
    options = ["--strict", "--noEmit", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    options += ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    options += ["--lib", "es2022,dom"]
    return made and run(
        "tsc compiles a client under `strict`",
        [tools / "tsc", *options, "client.ts"],
        cwd=directory,
    )


def calls(server, directory):
    # Few cases a call and phase, always the same ones, so that the duration is bounded.
    return run(
        "schemathesis calls everything",
        [
            BIN / "schemathesis",
            "run",
            f"{server.url}/v1/openapi.json",
            "--header",
            f"Authorization: Bearer {KEY}",
            "--checks",
            ",".join(CHECKS),
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--max-examples",
            "10",
            "--seed",
            "12",
            "--request-timeout",
            "20",
            "--continue-on-failure",
            "--generation-with-security-parameters",
            "false",
            "--generation-database",
            "none",
        ],
        cwd=directory,
        env=os.environ | {"NO_COLOR": "1"},
    )


def main():
    directory, command = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    # A signal ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("check-api: ended from outside"))
    say("the server begins")
    server = Server(command, directory / "server.log")
    try:
        there_is_something(server)
        description = directory / "openapi.json"
        described = server.call("GET", "/v1/openapi.json")
        description.write_bytes(described)
        if not json.loads(described)["openapi"].startswith("3.1."):
            raise SystemExit("check-api: the description is not OpenAPI 3.1")
        well = [
            run(
                "openapi-spec-validator looks at the description",
                [BIN / "openapi-spec-validator", description],
            ),
            types(directory, description),
            calls(server, directory),
        ]
        server.call("GET", "/healthz")
    finally:
        server.stop()
    if not all(well):
        raise SystemExit("check-api: the API and its description are not what they should be; see above")
    say("all is well")


if __name__ == "__main__":
    main()
