"""Runs a command where a Docker engine answers and has the image in which `sam local` runs functions.

    with_docker.py ARCHITECTURE COMMAND…

It runs in the Python that has the SAM CLI: SAM says itself how the image is called, and its client is the one that reaches
the engine. In COMMAND, `{listen}` is the address at which a server on this machine is heard by containers, `{name}` how they
call it, and `{run}` a mark: a container with the variable DACAPO_LOCAL_RUN of that value is removed in the end.

What is missing is brought, where that can be done: a root user on Debian is given docker.io and debootstrap by apt, an
engine of its own, and an image made of Debian; whoever has an engine has AWS's image pulled. Otherwise it says what is
missing and what to do, and ends with 1.

What was started is ended, whatever happens. There are two processes: the one in front waits, the one behind works in a session
of its own. When the one in front is interrupted, killed, or left by whoever called it, a pipe closes, and the one behind
ends the command, the containers and the engine. When the one behind is killed, the one in front does. An engine that ran
before stays; one that others use as well is ended by whoever is the last. Packages and images stay for the next time.
"""

import contextlib
import fcntl
import ipaddress
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import docker
from samcli.local.docker.lambda_image import LambdaImage, Runtime

# The runtime in template.yaml.
RUNTIME = "provided.al2023"
# What an engine that was started here keeps while it runs. Other runs that use it hold USERS
# shared; a run that installs something holds BRINGING alone.
PLACE = pathlib.Path("/run/dacapo-docker")
PIDFILE, LOG, USERS, BRINGING = (PLACE / name for name in ["pid", "log", "users", "bringing"])
# Where an image is made, since a small /tmp may be too small.
MAKING = "/var/tmp"
# The process behind is marked by this variable; it and all that it starts, except the engine, by
# the other.
BEHIND = "DACAPO_WITH_DOCKER_BEHIND"
MARK = "DACAPO_LOCAL_RUN"

# Bounds, in seconds.
ANSWERS_WITHIN = 20
BEGINS_WITHIN = 60
ENDS_WITHIN = 30
INSTALLS_WITHIN = 600
MADE_WITHIN = 900
WAITS_FOR_OTHERS = 1200

ENDED = threading.Event()


class Lacks(Exception):
    """What is missing, and what to do."""


class Ended(Exception):
    """The caller of this is gone."""


def say(text):
    print(f"with-docker: {text}", flush=True)


def in_front(arguments):
    """Waits for the process behind; ends it when it is not needed any more. Answers the status."""
    caller, told, run = os.getppid(), [], uuid.uuid4().hex
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, lambda number, _: told.append(number))
    behind = subprocess.Popen(
        [sys.executable, "-B", __file__, *arguments],
        stdin=subprocess.PIPE,
        env=os.environ | {BEHIND: "1", MARK: run},
        start_new_session=True,
    )
    while behind.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            behind.wait(timeout=0.2)
        if (told or os.getppid() != caller) and not behind.stdin.closed:
            behind.stdin.close()
    if behind.returncode < 0:
        sweep(run)
    return shown(behind.returncode)


def behind(architecture, command):
    # The pipe is never written to: reading ends when it closes.
    threading.Thread(target=lambda: (os.read(0, 1), ENDED.set()), daemon=True).start()
    run = os.environ[MARK]
    with contextlib.ExitStack() as ending:
        users = hold(USERS, fcntl.LOCK_SH) if is_shared() else None
        client = None
        try:
            with bringing():
                client = engine()
                image(client, architecture)
            listen, name = reached(client)
            filled = [part.format(listen=listen, name=name, run=run) for part in command]
            # What is left in there is removed, after any process was killed.
            directory = temporary(run)
            directory.mkdir(mode=0o700)
            ending.callback(shutil.rmtree, directory, ignore_errors=True)
            return through(filled, env=os.environ | {"TMPDIR": str(directory)})
        finally:
            if client is not None:
                remove_containers(client, run)
            leave(users)


def sweep(run):
    """Does what the process behind would have done in the end, if that was killed."""
    say("killed from outside: what was started is ended")
    # What it started has its mark, except the engine.
    for number in [signal.SIGTERM, signal.SIGKILL]:
        for pid in processes(run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if until(lambda: not processes(run), ENDS_WITHIN):
            break
    for directory in [temporary(run), *pathlib.Path(MAKING).glob(f"dacapo-{run}-*")]:
        shutil.rmtree(directory, ignore_errors=True)
    users = hold(USERS, fcntl.LOCK_SH) if is_shared() else None
    client = answering()
    if client is not None:
        remove_containers(client, run)
    leave(users)


def processes(run):
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={run}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def temporary(run):
    return pathlib.Path(tempfile.gettempdir()) / f"dacapo-{run}"


def shown(status):
    """A status as a shell has it: 128 and the number of the signal that ended the process."""
    return status if status >= 0 else 128 - status


def through(command, within=None, **how):
    """Runs a command to its end, with all that it starts. Answers the status."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **how)
    except OSError as error:
        raise Lacks(f"{command[0]} does not start: {error}") from error
    begun = time.monotonic()
    try:
        while process.poll() is None:
            if ENDED.wait(0.05):
                raise Ended
            if within is not None and time.monotonic() - begun > within:
                raise Lacks(f"{' '.join(command)} has not ended within {within} s: see why, and try again")
        return process.returncode
    finally:
        end_group(process)


def end_group(process):
    """Ends a process and all of its group, first with SIGTERM and then with SIGKILL."""
    for number in [signal.SIGTERM, signal.SIGKILL]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if until(lambda: process.poll() is not None and not is_group(process.pid), ENDS_WITHIN):
            return
    say(f"process group {process.pid} could not be ended")


def is_group(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(look, within):
    """Waits for a condition; answers whether it came true."""
    begun = time.monotonic()
    while not look():
        if time.monotonic() - begun > within:
            return False
        time.sleep(0.1)
    return True


# Several may do this at once.


def is_shared():
    """Whether there can be an engine that was started here, by this user or another."""
    if os.geteuid() == 0:
        PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
        for lock in [USERS, BRINGING]:
            lock.touch(mode=0o644)
    return USERS.exists()


def hold(path, how):
    """Holds a lock until the returned file is closed, or the process is killed."""
    file = path.open()
    if not until(lambda: ENDED.is_set() or is_held(file, how), 1):
        say(f"{path} is held by others of this kind: waiting for at most {WAITS_FOR_OTHERS} s")
        if not until(lambda: ENDED.is_set() or is_held(file, how), WAITS_FOR_OTHERS):
            raise Lacks(f"{path} was held for {WAITS_FOR_OTHERS} s: see who does (`fuser {path}`), and end it")
    if ENDED.is_set():
        raise Ended
    return file


def is_held(file, how):
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def bringing():
    return hold(BRINGING, fcntl.LOCK_EX) if os.geteuid() == 0 else contextlib.nullcontext()


def leave(users):
    """Ends an engine that was started here, unless others use it: then the last of them does."""
    if users is None:
        return
    if os.geteuid() == 0 and is_held(users, fcntl.LOCK_EX):
        pid = ours()
        if pid is not None:
            say("the engine that was started here is ended")
            end_engine(pid)
    users.close()


# The engine.


def answering():
    try:
        client = docker.from_env(timeout=ANSWERS_WITHIN)
        client.ping()
    except (docker.errors.DockerException, OSError):
        return None
    return client


def engine():
    client = answering()
    if client is not None:
        return client
    if "DOCKER_HOST" in os.environ:
        raise Lacks(f"DOCKER_HOST is {os.environ['DOCKER_HOST']!r}, and no Docker engine answers there: start it, or unset it")
    if os.geteuid() != 0:
        raise Lacks("no Docker engine answers: start Docker (or let a user who may reach it, or root on Debian, do this)")
    if shutil.which("dockerd") is None:
        install("docker.io")
        client = answering()
        if client is not None:
            say("Debian has started the engine that was installed, so it stays")
            return client
    # Without a packet filter in the kernel, published ports go through Docker's own proxy; nothing
    # else is needed here.
    for options in [[], ["--iptables=false", "--ip6tables=false"]]:
        client = start_engine(options)
        if client is not None:
            return client
    raise Lacks(f"dockerd does not begin here; it said:\n{said()}\nStart a Docker engine that answers here, and try again")


def start_engine(options):
    say(f"no Docker engine answers: {' '.join(['dockerd', *options])} is started (its log: {LOG})")
    pid = ours()
    if pid is not None:
        end_engine(pid)
    PIDFILE.unlink(missing_ok=True)
    with LOG.open("w") as log:
        command = ["dockerd", "--pidfile", str(PIDFILE), *options]
        # It may outlive this run, so it does not have its mark.
        kept = {name: value for name, value in os.environ.items() if name != MARK}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=kept, start_new_session=True)
    found = []

    def look():
        found[:] = [client for client in [answering()] if client]
        return found or process.poll() is not None or ENDED.is_set()

    if until(look, BEGINS_WITHIN) and found:
        return found[0]
    end_group(process)
    if ENDED.is_set():
        raise Ended
    say(f"it does not begin: {said().splitlines()[-1:]}")
    return None


def said():
    return "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])


def ours():
    """The process of the engine that was started here, if it runs."""
    try:
        pid = int(PIDFILE.read_text())
        name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def end_engine(pid):
    for number in [signal.SIGTERM, signal.SIGKILL]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if until(lambda: ours() is None, ENDS_WITHIN):
            return
    say(f"dockerd ({pid}) could not be ended")


def install(package):
    if debian() is None or shutil.which("apt-get") is None:
        raise Lacks(f"{package} is missing, and this is not Debian: install Docker, start it, and try again")
    say(f"{package} is missing: it is installed")
    quiet = ["--quiet=2", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=120"]
    commands = [["update"], ["install", "--yes", "--no-install-recommends", package]]
    for command in commands:
        # It is not interrupted: half-installed packages would block other runs.
        ran = subprocess.run(
            ["apt-get", *quiet, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            timeout=INSTALLS_WITHIN,
            start_new_session=True,
        )
        if ran.returncode != 0:
            raise Lacks(f"apt-get cannot {command[0]} {package}; it said:\n{ran.stdout}")


def debian():
    """The name of this Debian's release, if it is Debian."""
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/etc/os-release").read_text().splitlines()
        words = dict(line.split("=", 1) for line in lines if "=" in line)
        if words.get("ID", "").strip('"') == "debian":
            return words.get("VERSION_CODENAME", "").strip('"') or None
    return None


# The image.


def image(client, architecture):
    """Makes sure that there is the image on which SAM builds. SAM adds the emulator to it by
    itself, without the network.
    """
    repository, tag = LambdaImage._INVOKE_REPO_PREFIX, Runtime.get_image_name_tag(RUNTIME, architecture)
    name = f"{repository}/{tag}"
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(name)
        return
    release = debian()
    if release is not None and os.geteuid() == 0:
        make_image(client, name, release)
        return
    say(f"{name} is missing: it is pulled")
    # One client for quick calls, another one that may wait.
    patient = docker.from_env(timeout=MADE_WITHIN)
    try:
        patient.images.pull(name)
    except (docker.errors.APIError, OSError) as error:
        remedy = "let this machine reach its registry, or import an image of that name"
        raise Lacks(f"{name} is missing and cannot be pulled ({error}): {remedy}") from error


def make_image(client, name, release):
    if shutil.which("debootstrap") is None:
        install("debootstrap")
    say(f"{name} is missing: it is made of Debian {release}, which takes about a minute and a half")
    with tempfile.TemporaryDirectory(prefix=f"dacapo-{os.environ[MARK]}-", dir=MAKING, ignore_cleanup_errors=True) as directory:
        root, archive, log = (pathlib.Path(directory) / part for part in ["root", "root.tar", "log"])
        # In mounts of its own: what is mounted meanwhile is gone with them, even if it is killed.
        # Certificates are there as on Lambda.
        options = ["--variant=minbase", "--include=ca-certificates"]
        left_out = ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
        commands = [
            ["unshare", "--mount", "debootstrap", *options, release, root, *mirror(release)],
            ["tar", "--create", "--file", archive, "--directory", root, *left_out, "."],
        ]
        for command in commands:
            with log.open("a") as out:
                status = through([str(part) for part in command], MADE_WITHIN, stdout=out, stderr=out)
            if status != 0:
                words = log.read_text(errors="replace")[-3000:]
                raise Lacks(f"{name} cannot be made: {command[0]} ended with {status} and said:\n{words}")
        say(f"{name} is imported")
        repository, tag = name.rsplit(":", 1)
        changes = ["ENV PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin", "WORKDIR /var/task"]
        patient = docker.from_env(timeout=MADE_WITHIN)
        with archive.open("rb") as file:
            answer = patient.api.import_image(src=file, repository=repository, tag=tag, changes=changes)
        if '"error"' in answer:
            raise Lacks(f"{name} cannot be imported: {answer}")


def mirror(release):
    """The source from which apt gets this release; none if it does not say so, and debootstrap
    chooses.
    """
    wanted = ["Created-By: Packages", "Origin: Debian", f"Codename: {release}", "Component: main"]
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ANSWERS_WITHIN,
    )
    return [uri for uri in asked.stdout.split() if uri.startswith("http")][:1]


# The outside of the container.


def reached(client):
    """Where a server on this machine listens, and how containers on the default bridge call it.

    On Linux that is the bridge's address. Where the engine is not on this machine's own network, as with Docker Desktop, it has
    a name for this machine: https://docs.docker.com/desktop/features/networking/ ("host.docker.internal").
    """
    for config in client.networks.get("bridge").attrs["IPAM"]["Config"] or []:
        network = ipaddress.ip_network(config["Subnet"])
        address = config.get("Gateway") or str(next(network.hosts()))
        if network.version == 4:
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind((address, 0))
                return address, address
    return "127.0.0.1", "host.docker.internal"


def remove_containers(client, run):
    """Removes containers that a killed process has left."""
    try:
        for container in client.containers.list(all=True, filters={"label": "sam.cli.container.type=lambda"}):
            if f"{MARK}={run}" in (container.attrs["Config"]["Env"] or []):
                container.remove(force=True)
    except (docker.errors.APIError, OSError) as error:
        say(f"containers of this run (variable {MARK}={run}) may be left: {error}")


def main():
    architecture, *command = sys.argv[1:]
    if architecture not in ["arm64", "x86_64"] or not command:
        sys.exit(__doc__)
    if BEHIND not in os.environ:
        sys.exit(in_front(sys.argv[1:]))
    del os.environ[BEHIND]
    try:
        sys.exit(shown(behind(architecture, command)))
    except Ended:
        sys.exit("with-docker: ended from outside")
    except Lacks as lacks:
        sys.exit(f"with-docker: {lacks}")


if __name__ == "__main__":
    main()
