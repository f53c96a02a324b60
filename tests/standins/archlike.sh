#!/bin/sh
# archlike.sh INSTANCE : makes a running Debian instance look like Arch: /etc/os-release says so, its
# package manager is the real pacman, and its only repository is /srv/pacman inside, filled with
# packages of the given version by pacman-repo.sh. LXD_SOCKET or LXD_DIR names the daemon.
#   archlike.sh INSTANCE VERSION NAME...   adds packages; NAME:FILE takes FILE of this machine along
set -eu
here=$(cd "$(dirname "$0")" && pwd)
instance=$1 version=$2
shift 2

# TEXT: shell text inside the instance.
inside() { lxc exec "$instance" -T -- sh -euc "$1" </dev/null; }

if ! inside 'command -v repo-add >/dev/null' 2>/dev/null; then
    # The tools that Arch's base packages would bring: the packages of the repository are empty.
    inside 'export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends pacman-package-manager makepkg libarchive-tools \
            zstd xz-utils curl git jq sudo python3-venv python3-pip gnupg >/dev/null 2>&1
        mkdir -p /srv/pacman /var/lib/pacman /etc/pacman.d
        printf "NAME=\"Arch Linux\"\nID=arch\nPRETTY_NAME=\"Arch Linux (stand-in)\"\nBUILD_ID=rolling\n" >/etc/os-release
        printf "[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n[lab]\nInclude = /etc/pacman.d/mirrorlist\n" >/etc/pacman.conf
        : >/etc/pacman.d/mirrorlist'
    lxc file push -q --mode 755 "$here/pacman-repo.sh" "$instance/usr/local/bin/pacman-repo" </dev/null
fi
names=
for name in "$@"; do
    case $name in
        *:*)
            lxc file push -q --mode 755 "${name#*:}" "$instance/srv/${name%%:*}.file" </dev/null
            name=${name%%:*}:/srv/${name%%:*}.file
            ;;
    esac
    names="$names $name"
done
inside "pacman-repo /srv/pacman $version $names"
