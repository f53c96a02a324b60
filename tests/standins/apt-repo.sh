#!/bin/sh
# apt-repo.sh FOLDER VERSION NAME:FILE... : a signed apt repository at FOLDER/apt (suite stable,
# component main) with packages that hold FILE as /usr/bin/NAME; its key is FOLDER/apt/key.asc.
set -eu
folder=$1/apt version=$2
shift 2
pool=$folder/pool index=dists/stable/main/binary-$(dpkg --print-architecture)
mkdir -p "$pool" "$folder/$index"
work=$(mktemp -d)
chmod 755 "$work"
GNUPGHOME=$folder/../apt-keys
export GNUPGHOME
trap 'gpgconf --kill gpg-agent; rm -rf "$work"' EXIT
if [ ! -d "$GNUPGHOME" ]; then
    mkdir -m 700 "$GNUPGHOME"
    gpg --batch -q --passphrase '' --quick-generate-key 'stand-in <stand-in@localhost>' rsa2048 sign never
    gpg --batch -q --armor --export >"$folder/key.asc"
fi
for package in "$@"; do
    name=${package%%:*} tree=$work/${package%%:*}
    install -D -m 755 "${package#*:}" "$tree/usr/bin/$name"
    mkdir "$tree/DEBIAN"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: stand-in <stand-in@localhost>\nDescription: stand-in for %s\n' \
        "$name" "$version" "$name" >"$tree/DEBIAN/control"
    dpkg-deb -Zgzip --root-owner-group -b "$tree" "$pool/${name}_${version}_all.deb" >/dev/null
done
cd "$folder"
: >"$index/Packages"
for file in pool/*.deb; do
    dpkg-deb -f "$file" >>"$index/Packages"
    printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum <"$file" | cut -d' ' -f1)" >>"$index/Packages"
done
cd dists/stable
{
    printf 'Origin: stand-in\nSuite: stable\nCodename: stable\nComponents: main\nArchitectures: %s\nDate: %s\nSHA256:\n' \
        "$(dpkg --print-architecture)" "$(date -Ru)"
    file=${index#dists/stable/}/Packages
    printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "$(stat -c %s "$file")" "$file"
} >Release
rm -f InRelease
gpg --batch -q --clearsign -o InRelease Release
