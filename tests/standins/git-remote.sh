#!/bin/sh
# git-remote.sh FOLDER VERSION : adds a release of a stand-in ComfyUI to the bare repository
# FOLDER/ComfyUI.git, tagged vVERSION. Serve it with `git daemon --export-all --base-path=FOLDER`.
# The stand-in takes ComfyUI's own flags, imports torch, and answers on its port.
set -eu
folder=$1 version=$2 bare=$1/ComfyUI.git
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_AUTHOR_NAME=stand-in GIT_AUTHOR_EMAIL=stand-in@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

if [ ! -d "$bare" ]; then
    mkdir -p "$folder"
    git init -q --bare -b master "$bare"
    git -C "$bare" config uploadpack.allowFilter true
    git -C "$bare" config uploadpack.allowAnySHA1InWant true
fi
git clone -q "$bare" "$work/ComfyUI" 2>/dev/null
cd "$work/ComfyUI"
git checkout -q -B master
mkdir -p custom_nodes
touch custom_nodes/.gitkeep
printf '/extra_model_paths.yaml\n/custom_nodes/*\n!.gitkeep\n' >.gitignore
printf 'torch\ntorchvision\ntorchaudio\ntorchsde-standin>=0.2\n' >requirements.txt
printf '__version__ = "%s"\n' "$version" >comfyui_version.py
cat >main.py <<'PYTHON'
"""A stand-in for ComfyUI."""
import argparse, http.server, json, os
import torch
import torchsde_standin
from comfyui_version import __version__

parser = argparse.ArgumentParser()
parser.add_argument("--listen", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8188)
for flag in ("--cpu", "--quick-test-for-ci"):
    parser.add_argument(flag, action="store_true")
for folder in ("--output-directory", "--input-directory", "--user-directory"):
    parser.add_argument(folder, required=True)
args = parser.parse_args()
if not args.cpu and not torch.cuda.is_available():
    raise RuntimeError("Found no GPU")
if not os.path.exists("extra_model_paths.yaml"):
    raise RuntimeError("no extra_model_paths.yaml")
with open(os.path.join(args.user_directory, "comfyui.log"), "w") as log:
    log.write(__version__)
for node in sorted(os.listdir("custom_nodes")):
    if node.endswith(".py"):
        exec(open(os.path.join("custom_nodes", node)).read())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"system": {"comfyui_version": __version__}}).encode())


if not args.quick_test_for_ci:
    http.server.HTTPServer((args.listen, args.port), Handler).serve_forever()
PYTHON
git add -A
git commit -q -m "Release $version"
git tag "v$version"
git push -q origin master --tags
