#!/usr/bin/env python3
"""Serves a folder over HTTP, or over HTTPS with a certificate authority of its own.

    serve.py FOLDER [--bind ADDRESS] [--port PORT] [--tls STATE] [--throttle KB_PER_SECOND]

Prints `serving URL` once it accepts connections. With --tls, STATE/ca.crt is what a client has to
trust. --throttle slows files down, so that progress can be seen. STATE/access.log or FOLDER/../access.log
has one line a request."""

import argparse
import functools
import http.server
import os
import ssl
import subprocess
import sys
import time


def authority(state, address):
    """Makes STATE/ca.crt and STATE/server.{crt,key}, once."""
    path = functools.partial(os.path.join, state)
    if os.path.exists(path("server.crt")):
        return
    os.makedirs(state, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run = functools.partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run(["openssl", "req", "-x509", *curve, "-keyout", path("ca.key"), "-out", path("ca.crt"), "-days", "30",
         "-subj", "/CN=stand-in authority"])
    run(["openssl", "req", *curve, "-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=stand-in"])
    with open(path("extensions"), "w") as file:
        file.write(f"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{address}\nextendedKeyUsage=serverAuth\n")
    run(["openssl", "x509", "-req", "-in", path("server.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"),
         "-CAcreateserial", "-out", path("server.crt"), "-days", "30", "-extfile", path("extensions")])


def handler(folder, log, throttle):
    """A request handler for a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, form, *values):
            with open(log, "a") as file:
                file.write(f"{time.time():.3f} {form % values}\n")

        def copyfile(self, source, output):
            if not throttle or os.path.getsize(self.translate_path(self.path)) < 65536:
                super().copyfile(source, output)
                return
            while block := source.read(throttle * 1024 // 10):
                output.write(block)
                time.sleep(0.1)

    return Handler


class Server(http.server.ThreadingHTTPServer):
    """A server whose clients may go at any time: tests kill them, and that is no news."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(folder, bind="127.0.0.1", port=0, tls=None, throttle=0):
    """Serves until killed."""
    folder = os.path.abspath(folder)
    log = os.path.join(tls or os.path.dirname(folder), "access.log")
    server = Server((bind, port), handler(folder, log, throttle))
    if tls:
        authority(tls, bind)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(tls, "server.crt"), os.path.join(tls, "server.key"))
        # The handshake belongs to the connection's own thread: a client that only connects must not stop the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"serving {'https' if tls else 'http'}://{bind}:{server.server_address[1]}", flush=True)
    server.serve_forever()


def arguments(parser):
    """The arguments that each server takes."""
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--throttle", type=int, default=0)
    return parser


if __name__ == "__main__":
    command = arguments(argparse.ArgumentParser(description=__doc__))
    command.add_argument("folder")
    command.add_argument("--tls")
    given = command.parse_args()
    serve(given.folder, given.bind, given.port, given.tls, given.throttle)
