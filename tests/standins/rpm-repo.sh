#!/bin/sh
# rpm-repo.sh FOLDER VERSION NAME... : adds packages to the dnf repository FOLDER. A package holds only
# /usr/share/NAME/version; `NAME:FILE` also holds the executable FILE as /usr/bin/NAME. Where FOLDER holds a folder
# `keys` (a GnuPG home), they are signed. Needs rpmbuild and createrepo_c.
set -eu
folder=$1 version=$2
shift 2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One source with all of them as its parts: rpmbuild takes as long for one as for forty.
{
    printf 'Name: stand-in\nVersion: %s\nRelease: 1\nSummary: stand-in\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n%%description\nstand-in\n' "$version"
    for name in "$@"; do
        printf '%%package -n %s\nSummary: stand-in for %s\nAutoReqProv: no\n%%description -n %s\nstand-in\n' "${name%%:*}" "${name%%:*}" "${name%%:*}"
    done
    printf '%%install\n'
    for name in "$@"; do
        printf 'mkdir -p %%{buildroot}/usr/share/%s && echo %s >%%{buildroot}/usr/share/%s/version\n' "${name%%:*}" "$version" "${name%%:*}"
        case $name in *:*) printf 'install -D -m 755 %s %%{buildroot}/usr/bin/%s\n' "${name#*:}" "${name%%:*}" ;; esac
    done
    for name in "$@"; do
        printf '%%files -n %s\n/usr/share/%s/version\n' "${name%%:*}" "${name%%:*}"
        case $name in *:*) printf '/usr/bin/%s\n' "${name%%:*}" ;; esac
    done
} >"$work/stand-in.spec"
rpmbuild -bb --quiet --nodeps -D "_topdir $work" -D "_rpmdir $work/rpms" -D '__os_install_post %{nil}' "$work/stand-in.spec" >/dev/null 2>"$work/errors" || {
    cat "$work/errors" >&2
    exit 1
}
if [ -d "$folder/keys" ]; then
    GNUPGHOME=$folder/keys rpmsign --addsign -D '__gpg /usr/bin/gpg' -D '_gpg_name stand-in' "$work"/rpms/noarch/*.rpm </dev/null >/dev/null 2>&1
fi
cp "$work"/rpms/noarch/*.rpm "$folder"
createrepo_c -q "$folder"
