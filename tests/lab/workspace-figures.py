#!/usr/bin/env python3
"""workspace-figures.py HALOLAB USER [ROUNDS]: how long a workspace takes until all its services answer, beside the same
container without halolab.

USER has been added (`halolab workspace add`), and the image is there. A round is `halolab workspace start USER`, which ends
when all services were probed well; then the very same container (image, environment, mounts, ports, limits as the engine
shows them) made and started by two calls of the engine's interface, and asked for the same words of each protocol until all
of them came. Rounds are interleaved, and the first of each is not counted: it makes the keys that both find later. To be
run where the engine's ports are open; DOCKER_HOST, HALOLAB_HOME and the like are handed on.
"""
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

# What a service says first by itself, or answers to a question of the web: by its port inside.
WORDS = {22: (b"SSH-2.0", None), 5900: (b"RFB 003", None), 6080: (b" 200 ", "/vnc.html"), 8080: (b" 200 ", "/healthz"),
         8888: (b" 200 ", "/api"), 6006: (b"HTTP/1.1 ", "/"), 3389: (b"", None)}
PLAIN = "plain"


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("docker", timeout=120)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))


def call(method, path, body=None):
    engine = Engine()
    text = None if body is None else json.dumps(body)
    engine.request(method, path, text, {"Content-Type": "application/json"} if text else {})
    answer = engine.getresponse()
    said = answer.read()
    if answer.status >= 400 and not (method == "DELETE" and answer.status == 404):
        raise SystemExit(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
    return json.loads(said) if said.strip() else None


def speaks(inside, address, port):
    """Whether who listens there says what this service says."""
    word, path = WORDS[inside]
    try:
        with socket.create_connection((address, port), 2) as stream:
            stream.settimeout(2)
            if path is not None:
                stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            return not word or word in stream.recv(256)
    except OSError:
        return False


def body_of(name):
    """The container as the engine shows it, as a body that makes the same."""
    found = call("GET", f"/containers/{name}/json")
    config = found["Config"]
    keep = ["Hostname", "User", "Env", "Cmd", "Entrypoint", "Image", "WorkingDir", "ExposedPorts", "StopTimeout", "StopSignal"]
    body = {key: config[key] for key in keep if config.get(key) is not None}
    body["HostConfig"] = found["HostConfig"]
    return body


def ports_of(body):
    for inside, binds in body["HostConfig"]["PortBindings"].items():
        for bind in binds:
            yield int(inside.split("/")[0]), bind["HostIp"] or "127.0.0.1", int(bind["HostPort"])


def plain(body):
    open_ports = set(ports_of(body))
    begun = time.monotonic()
    call("POST", f"/containers/create?name={PLAIN}", body)
    call("POST", f"/containers/{PLAIN}/start")
    while open_ports:
        open_ports = {port for port in open_ports if not speaks(*port)}
        if time.monotonic() - begun > 600:
            raise SystemExit(f"these do not answer: {sorted(open_ports)}")
        if open_ports:
            time.sleep(0.05)
    took = time.monotonic() - begun
    call("DELETE", f"/containers/{PLAIN}?force=1&v=1")
    return took


def ours(halolab, user):
    begun = time.monotonic()
    subprocess.run([halolab, "workspace", "start", user, "--yes", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def main():
    halolab, user = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    name, times = f"ws-{user}", ([], [])
    for number in range(rounds + 1):
        took = ours(halolab, user)
        body = body_of(name)
        subprocess.run([halolab, "remove", name, "--yes", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        beside = plain(body)
        if number:
            times[0].append(took)
            times[1].append(beside)
            print(f"round {number}: halolab {took:.2f} s, the container alone {beside:.2f} s", flush=True)
    with_us, alone = (statistics.median(each) for each in times)
    ratio = statistics.median(a / b for a, b in zip(*times))
    print(f"medians of {rounds}: halolab {with_us:.2f} s, the container alone {alone:.2f} s; ratio of each round, median: {ratio:.3f}")


main()
