#!/usr/bin/env python3
"""An image server: builds a simplestreams tree from image files and serves it over HTTPS.

    simplestreams.py STATE ALIAS=unified.tar.gz | ALIAS=lxd.tar.xz+rootfs.squashfs ...
                     [--bind ADDRESS] [--port PORT] [--throttle KB_PER_SECOND] [--serial SERIAL] [--build-only]

ALIAS is OS/RELEASE, as debian/12, or OS alone, as archlinux. The authority is STATE/ca.crt; LXD and
Incus both find their files (lxd*, incus*). Prints `serving URL` once it accepts connections."""

import argparse
import hashlib
import json
import os
import shutil

import serve


def digest(*paths):
    """SHA-256 over files, one after another."""
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def architecture():
    """As the distributions name it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def product(web, alias, files, serial):
    """Copies the files of one image in; returns its key and its entry."""
    system, _, release = alias.partition("/")
    release = release or "current"
    folder = f"images/{system}/{release}/{architecture()}/default/{serial}"
    os.makedirs(os.path.join(web, folder), exist_ok=True)
    items = {}

    def put(source, name, kind, **extra):
        target = os.path.join(web, folder, name)
        shutil.copy(source, target)
        items[name] = {"ftype": kind, "path": f"{folder}/{name}", "size": os.path.getsize(target),
                       "sha256": digest(target), **extra}

    def also(name, copy, kind):
        items[copy] = {**items[name], "ftype": kind}

    if len(files) == 2:
        # The image's fingerprint is the digest over both files.
        both = digest(*files)
        put(files[0], "lxd.tar.xz", "lxd.tar.xz", combined_squashfs_sha256=both, combined_sha256=both)
        put(files[1], "rootfs.squashfs", "squashfs")
        also("lxd.tar.xz", "incus.tar.xz", "incus.tar.xz")
    else:
        put(files[0], "lxd_combined.tar.gz", "lxd_combined.tar.gz")
        also("lxd_combined.tar.gz", "incus_combined.tar.gz", "incus_combined.tar.gz")
    aliases = [alias, f"{system}/{release}", f"{system}/{release}/default"]
    entry = {"aliases": ",".join(dict.fromkeys(aliases)), "arch": architecture(), "os": system.capitalize(),
             "release": release, "release_title": release, "variant": "default", "requirements": {},
             "versions": {serial: {"items": items}}}
    return f"{system}:{release}:{architecture()}:default", entry


def build(web, images, serial):
    """Writes the index and the list of products."""
    streams = os.path.join(web, "streams", "v1")
    os.makedirs(streams, exist_ok=True)
    products = dict(product(web, alias, files.split("+"), serial)
                    for alias, files in (image.split("=", 1) for image in images))
    kind = {"datatype": "image-downloads", "format": "products:1.0"}
    listing = {"images": {**kind, "path": "streams/v1/images.json", "products": sorted(products)}}
    for name, content in (("images.json", {**kind, "content_id": "images", "products": products}),
                          ("index.json", {"format": "index:1.0", "index": listing})):
        with open(os.path.join(streams, name), "w") as file:
            json.dump(content, file, indent=1)


if __name__ == "__main__":
    command = serve.arguments(argparse.ArgumentParser(description=__doc__))
    command.add_argument("state")
    command.add_argument("image", nargs="+")
    command.add_argument("--serial", default="20260101_0000")
    command.add_argument("--build-only", action="store_true")
    given = command.parse_args()
    root = os.path.join(given.state, "web")
    build(root, given.image, given.serial)
    if not given.build_only:
        serve.serve(root, given.bind, given.port, given.state, given.throttle)
