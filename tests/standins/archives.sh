#!/bin/sh
# archives.sh FOLDER VERSION : the download servers of Go, Node and the editors, as static files:
# FOLDER/go (list and archive), FOLDER/node (index, sums and archive), FOLDER/editors. The programs
# in them are shell scripts that answer what the labs ask of the real ones.
set -eu
folder=$1 version=$2
case $(uname -m) in
    x86_64) go=amd64 node=x64 ;;
    aarch64) go=arm64 node=arm64 ;;
    *) go=$(uname -m) node=$(uname -m) ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder/go" "$folder/node/v$version" "$folder/editors"

# FILE: an executable with the text of stdin.
program() {
    mkdir -p "${1%/*}"
    cat >"$1"
    chmod 755 "$1"
}
sum() { sha256sum <"$1" | cut -d' ' -f1; }

program "$work/go/bin/go" <<PROGRAM
#!/bin/sh
[ "\$1" = run ] && exec sed -n 's/.*println("\(.*\)").*/\1/p' "\$2"
echo "go version go$version linux/$go"
PROGRAM
program "$work/go/bin/gofmt" </dev/null
printf 'go%s\n' "$version" >"$work/go/VERSION"
archive=go$version.linux-$go.tar.gz
tar -C "$work" -czf "$folder/go/$archive" go
# What a query of ?mode=json gets from a server of static files.
cat >"$folder/go/index.html" <<LIST
[{"version": "go99rc1", "stable": false, "files": []},
 {"version": "go$version", "stable": true, "files": [
  {"filename": "go$version.src.tar.gz", "os": "", "arch": "", "kind": "source", "sha256": ""},
  {"filename": "$archive", "os": "linux", "arch": "$go", "kind": "archive", "sha256": "$(sum "$folder/go/$archive")"}]}]
LIST

stem=node-v$version-linux-$node
program "$work/$stem/bin/node" <<PROGRAM
#!/bin/sh
if [ "\$1" = -e ]; then echo "$version"; else echo "v$version"; fi
PROGRAM
program "$work/$stem/bin/npm" <<PROGRAM
#!/bin/sh
echo 1.0.0
PROGRAM
program "$work/$stem/bin/npx" </dev/null
tar -C "$work" -cJf "$folder/node/v$version/$stem.tar.xz" "$stem"
printf '%s  %s\n' "$(sum "$folder/node/v$version/$stem.tar.xz")" "$stem.tar.xz" >"$folder/node/v$version/SHASUMS256.txt"
printf '[{"version": "v99.0.0", "lts": false}, {"version": "v%s", "lts": "Stand-in"}]\n' "$version" >"$folder/node/index.json"

program "$work/code-server-$version/bin/code-server" <<'PROGRAM'
#!/usr/bin/env python3
"""A stand-in for code-server."""
import http.server, os, shutil, sys

if "--version" in sys.argv:
    print("VERSION stand-in")
elif "--install-extension" in sys.argv:
    place = os.path.expanduser("~/.local/share/code-server/extensions")
    os.makedirs(place, exist_ok=True)
    shutil.copy(sys.argv[sys.argv.index("--install-extension") + 1], place)
else:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

    address, port = sys.argv[sys.argv.index("--bind-addr") + 1].rsplit(":", 1)
    http.server.HTTPServer((address, int(port)), Handler).serve_forever()
PROGRAM
sed -i "s/VERSION/$version/" "$work/code-server-$version/bin/code-server"
tar -C "$work" -czf "$folder/editors/code-server-$version-linux-$go.tar.gz" "code-server-$version"

program "$work/Antigravity/bin/antigravity" <<PROGRAM
#!/bin/sh
echo $version
PROGRAM
tar -C "$work" -czf "$folder/editors/Antigravity-$version.tar.gz" Antigravity
program "$folder/editors/editor" <<PROGRAM
#!/bin/sh
echo $version
PROGRAM
printf 'stand-in extension\n' >"$folder/editors/continue.vsix"
