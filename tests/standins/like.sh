#!/bin/sh
# like.sh FAMILY INSTANCE VERSION NAME... : makes a running Debian instance look like Arch or Fedora: /etc/os-release
# says so, its package manager is the real pacman or dnf, and its only repository is below /srv inside, filled with
# packages of the given version by pacman-repo.sh or rpm-repo.sh; again, it adds packages.
# NAME:FILE takes FILE of this machine along. LXD_SOCKET or LXD_DIR names the daemon.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
family=$1 instance=$2 version=$3
shift 3

# TEXT: shell text inside the instance.
inside() { lxc exec "$instance" -T -- sh -euc "$1" </dev/null; }

# PACKAGE...: tools of Debian that the distribution's base packages would bring: those of the repository are empty.
tools() {
    inside "export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends $* xz-utils curl git jq sudo python3-venv python3-pip gnupg >/dev/null 2>&1"
}

make_arch() {
    tools pacman-package-manager makepkg libarchive-tools zstd
    inside 'mkdir -p /srv/pacman /var/lib/pacman /etc/pacman.d
        printf "NAME=\"Arch Linux\"\nID=arch\nPRETTY_NAME=\"Arch Linux (stand-in)\"\nBUILD_ID=rolling\n" >/etc/os-release
        printf "[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n[lab]\nInclude = /etc/pacman.d/mirrorlist\n" >/etc/pacman.conf
        : >/etc/pacman.d/mirrorlist'
}

# The files of repositories as Fedora has them, but for signatures; its list of mirrors answers nothing here.
make_fedora() {
    tools dnf createrepo-c rpm zstd
    inside 'mkdir -p /etc/yum.repos.d /etc/dnf/vars
        printf "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=43\nPRETTY_NAME=\"Fedora Linux 43 (stand-in)\"\n" >/etc/os-release
        echo 43 >/etc/dnf/vars/releasever
        for name in fedora fedora-updates; do
            part=releases/\$releasever/Everything/\$basearch/os/
            [ $name = fedora ] || part=updates/\$releasever/Everything/\$basearch/
            printf "[%s]\nname=%s\n#baseurl=http://download.example/pub/fedora/linux/%s\nmetalink=http://127.0.0.1:9/metalink?repo=%s\nenabled=1\ngpgcheck=0\n" \
                $name $name $part $name >/etc/yum.repos.d/$name.repo
        done
        tree=/srv/fedora/updates/43/Everything/$(uname -m)
        mkdir -p $tree && createrepo_c -q $tree'
}

case $family in
    arch) make=pacman-repo folder=/srv/pacman ;;
    fedora) make=rpm-repo folder='/srv/fedora/releases/43/Everything/$(uname -m)/os' ;;
esac
if ! inside "command -v $make >/dev/null" 2>/dev/null; then
    "make_$family"
    lxc file push -q --mode 755 "$here/$make.sh" "$instance/usr/local/bin/$make" </dev/null
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
inside "$make $folder $version $names"
