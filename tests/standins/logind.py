#!/usr/bin/env python3
"""What of systemd's logind holds sleep off, on a bus of a test: logind.py BUS-SOCKET LOG

Takes the name org.freedesktop.login1, answers Inhibit(what, who, why, mode) with the writing end of a pipe, as logind does,
and writes into LOG: `ready`, `held WHAT WHO MODE: WHY` for each, and `let go` when the last copy of that end is closed.
Each call of it is the D-Bus protocol itself, so that nothing has to be installed but the bus.
"""
import array
import os
import select
import socket
import struct
import sys

CALL, RETURN = 1, 2
bus, log = socket.socket(socket.AF_UNIX), open(sys.argv[2], "a", buffering=1)


def text(value):
    value = value.encode()
    return struct.pack("<I", len(value)) + value + b"\0"


def pad(data, to=8):
    return data + b"\0" * (-len(data) % to)


def field(code, signature, value):
    return bytes([code, 1]) + signature.encode() + b"\0" + value


def send(kind, serial, fields, body=b"", fds=()):
    packed = b""
    for one in fields:
        packed = pad(packed) + one
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(packed)) + packed
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    bus.sendmsg([pad(head) + body], ancillary)


def call(serial, member, signature="", body=b""):
    to = "org.freedesktop.DBus"
    fields = [field(1, "o", text("/org/freedesktop/DBus")), field(2, "s", text(to)), field(3, "s", text(member)), field(6, "s", text(to))]
    if signature:
        fields.append(field(8, "g", bytes([len(signature)]) + signature.encode() + b"\0"))
    send(CALL, serial, fields, body)


def exactly(count):
    data = b""
    while len(data) < count:
        piece = bus.recv(count - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def strings(data, at, count):
    found = []
    for _ in range(count):
        at += -at % 4
        length = struct.unpack_from("<I", data, at)[0]
        found.append(data[at + 4 : at + 4 + length].decode())
        at += 5 + length
    return found


def receive():
    head = exactly(16)
    kind, body_length, serial, length = head[1], *struct.unpack_from("<III", head, 4)
    fields = exactly(length + -length % 8)
    found, at = {}, 0
    while at < length:
        at += -at % 8
        code, signature = fields[at], chr(fields[at + 2])
        at += 4
        if signature in "so":
            found[code] = strings(fields, at, 1)[0]
            at += -at % 4 + 5 + len(found[code].encode())
        elif signature == "g":
            at += 2 + fields[at]
        else:
            at += -at % 4 + 4
    return kind, serial, found, exactly(body_length)


bus.connect(sys.argv[1])
bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
answers = b""
while answers.count(b"\r\n") < 2:
    answers += bus.recv(1)
call(1, "Hello")
call(2, "RequestName", "su", pad(text("org.freedesktop.login1"), 4) + struct.pack("<I", 0))
serial, held = 2, []
while True:
    ready, _, _ = select.select([bus, *held], [], [])
    for end in [end for end in held if end in ready]:
        os.close(end)
        held.remove(end)
        print("let go", file=log)
    if bus not in ready:
        continue
    kind, asked, fields, body = receive()
    if kind == RETURN and len(body) == 4:
        print("ready", file=log)
    if kind == CALL and fields.get(3) == "Inhibit":
        what, who, why, mode = strings(body, 0, 4)
        print(f"held {what} {who} {mode}: {why}", file=log)
        reading, writing = os.pipe()
        serial += 1
        answer = [field(5, "u", struct.pack("<I", asked)), field(6, "s", text(fields[7])), field(8, "g", b"\1h\0"), field(9, "u", struct.pack("<I", 1))]
        send(RETURN, serial, answer, struct.pack("<I", 0), [writing])
        os.close(writing)
        held.append(reading)
