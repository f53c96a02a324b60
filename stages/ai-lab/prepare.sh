#!/bin/sh
# Puts the shell functions that the other steps read into the lab, and keeps the certificate
# authorities that the host handed over: a later upgrade of ca-certificates would drop them.
set -eu

main() {
    mkdir -p /usr/local/lib/halolab /etc/halolab
    write_library >/usr/local/lib/halolab/lab.sh.new
    mv /usr/local/lib/halolab/lab.sh.new /usr/local/lib/halolab/lab.sh
    keep_authorities
    echo "Ready for the steps of $STAGE (image family $IMAGE_FAMILY)."
}

write_library() {
    cat <<'LIBRARY'
# shellcheck shell=sh
# Shell functions of halolab's steps. Each run writes this file anew.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
if [ -n "${OPT_PROXY:-}" ]; then
    export http_proxy="$OPT_PROXY" https_proxy="$OPT_PROXY" no_proxy=localhost,127.0.0.1
fi
set -a
for file in /etc/halolab/*.env; do
    # shellcheck disable=SC1090
    [ ! -r "$file" ] || . "$file"
done
set +a

say() { printf '%s\n' "$*"; }

# WORDS: what failed and what to do, as the last line of stderr.
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# WORDS COMMAND...: runs it; where it fails, ends with the words.
try() {
    words=$1
    shift
    "$@" || fail "$words"
}

# COMMAND...: up to three times, since mirrors have bad moments.
thrice() {
    for pause in 2 5 0; do
        if "$@"; then return 0; fi
        [ "$pause" = 0 ] || { say "Again in $pause seconds" && sleep "$pause"; }
    done
    return 1
}

# COMMAND...: as the user lab, in its home.
as_lab() (
    cd /home/lab || exit
    exec runuser -u lab -- env HOME=/home/lab USER=lab LOGNAME=lab "$@" </dev/null
)

# Downloads lie where nobody but root can change them between the look at their sum and their use.
downloads=/var/cache/halolab
# Fingerprints of the vendors' keys that this lab believes.
keys=/etc/halolab/keys

# URL FILE: only for the functions below, which compare what came.
download() {
    say "Fetching $1"
    install -d -m 755 "$downloads"
    rm -f "$2"
    thrice curl -fsSL --connect-timeout 20 --speed-limit 1000 --speed-time 60 -o "$2" "$1" </dev/null
}

# TEXT: whether it is a SHA-256.
is_sum() {
    case $1 in *[!0-9a-f]*) return 1 ;; esac
    [ "${#1}" = 64 ]
}

# URL SHA256 NAME: fetches it into $downloads/NAME, which is there only where its SHA-256 is that one.
fetch() {
    is_sum "$2" || fail "No SHA-256 of $1 is known ('$2'), so it is not fetched."
    rm -f "$downloads/$3"
    download "$1" "$downloads/$3.part" || return 1
    came=$(sha256sum <"$downloads/$3.part" | cut -d' ' -f1)
    if [ "$came" != "$2" ]; then
        rm -f "$downloads/$3.part"
        fail "The SHA-256 of $1 does not match: $2 was expected, $came came. Nothing of it was run or unpacked. \
Type 'halolab runs resume' to fetch it again; if it stays so, the file was replaced on its server or on the way."
    fi
    mv "$downloads/$3.part" "$downloads/$3"
}

# URL NAME: fetches a vendor's list of versions or sums into $downloads/NAME. It is read, never run.
fetch_list() {
    case $1 in
        https://* | file://*) ;;
        *) say "Note: $1 is not encrypted, so its sums show damage, not what somebody on the way changed." ;;
    esac
    download "$1" "$downloads/$2"
}

# OPTION ADDRESS: sets $url and $sum from an address that the user gave, as https://…#sha256=DIGEST.
split_address() {
    url=${2%%#*} sum=${2##*#sha256=}
    is_sum "$sum" ||
        fail "$1 needs the SHA-256 of the file behind its address, as $url#sha256=DIGEST. To see it, type \
'curl -fsSL $url | sha256sum' where you trust the way to it."
}

# REPOSITORY PATTERN: sets $url and $sum of the file of the newest release on GitHub whose name matches; GitHub publishes
# the SHA-256 of each.
newest_release() {
    fetch_list "https://api.github.com/repos/$1/releases/latest" release.json || return 1
    # shellcheck disable=SC2016
    chosen=$(jq -r --arg name "$2" --arg from "https://github.com/$1/releases/download/" '[.assets[]
        | select((.name | test($name)) and (.browser_download_url | startswith($from)))][0] // empty
        | "\(.browser_download_url) \(.digest)"' "$downloads/release.json") || return 1
    url=${chosen%% *} sum=${chosen##*sha256:}
    is_sum "$sum" || fail "GitHub tells no SHA-256 of a file '$2' of the newest release of $1, so nothing is fetched."
}

# KEY NAME: fetches a signing key, as https://…#fingerprint=HEX, and writes that key alone, armored, to $downloads/NAME.
# Where its vendor publishes no fingerprint (#fingerprint=first), the first one that came counts from then on.
fetch_key() {
    url=${1%%#*} wanted=${1##*#fingerprint=} known=$keys/$2
    case $1 in
        *#fingerprint=*) ;;
        *) fail "The key $1 needs its fingerprint behind it, as $1#fingerprint=HEX: 'gpg --show-keys' on its file tells it." ;;
    esac
    download "$url" "$downloads/$2.part" || return 1
    rm -rf "$downloads/gnupg"
    mkdir -m 700 "$downloads/gnupg"
    gpg --homedir "$downloads/gnupg" --batch --quiet --import "$downloads/$2.part" 2>/dev/null || true
    came=$(gpg --homedir "$downloads/gnupg" --batch --with-colons --list-keys 2>/dev/null |
        awk -F: '$1 == "pub" { next_one = 1 } $1 == "fpr" && next_one { print $10; next_one = 0 }')
    if [ "$wanted" = first ]; then
        wanted=$(cat "$known" 2>/dev/null || echo "$came" | head -n 1)
        [ -s "$known" ] || say "Note: no fingerprint of $url is published; from now on $wanted alone is believed."
    fi
    wanted=$(echo "$wanted" | tr -d ' ' | tr a-f A-F)
    if [ "${#wanted}" -lt 40 ] || ! echo "$came" | grep -qx "$wanted"; then
        rm -rf "$downloads/gnupg" "$downloads/$2.part"
        fail "The signing key at $url does not match: the fingerprint $wanted was expected, $(echo "${came:-none}" | tr '\n' ' ')\
came. It was not given to the package manager. Type 'halolab runs resume' to fetch it again; if it stays so, compare with \
what the vendor says."
    fi
    gpg --homedir "$downloads/gnupg" --batch --armor --export "$wanted" >"$downloads/$2"
    mkdir -p "${known%/*}"
    printf '%s\n' "$wanted" >"$known"
    rm -rf "$downloads/gnupg" "$downloads/$2.part"
}

apt_get() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# pacman 7 fences its downloads in; where the kernel or the container forbids that, it says so and
# stops, and --disable-sandbox is its own way out.
pacman_run() {
    pacman --noconfirm --noprogressbar "$@" </dev/null && return 0
    pacman -S --help | grep -q -e --disable-sandbox || return 1
    pacman --noconfirm --noprogressbar --disable-sandbox "$@" </dev/null
}

# Options of dnf 4 and dnf 5 alike.
dnf_run() {
    dnf -y --setopt=install_weak_deps=False "$@" </dev/null
}

# Reads dnf's package lists; Fedora's own settings would leave a server that does not answer out in silence.
dnf_lists() { dnf_run --setopt=skip_if_unavailable=False --refresh makecache; }

# PACKAGE...: by the distribution's package manager; those that are there already stay.
install_packages() {
    say "Installing: $*"
    case $IMAGE_FAMILY in
        arch) thrice pacman_run -S --needed "$@" ;;
        debian) thrice apt_get --no-install-recommends install "$@" ;;
        fedora) thrice dnf_run install "$@" ;;
        *) fail "This step knows Arch, Debian and Fedora images, not the family '$IMAGE_FAMILY'. Choose another image." ;;
    esac
}

# The name of this machine's kind in the file names of Go, Node and most others.
architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# SOURCE KEYRING KEY REPOSITORY PACKAGE: adds a vendor's apt repository, given as "address suite component" and signed by
# KEY (as for fetch_key), and installs the package. Source and keyring bear the vendor's own names, since the
# packages write these files too, and apt refuses two entries with different keys.
vendor_apt() {
    source=/etc/apt/sources.list.d/$1.sources keyring=$2 repository=$4 package=$5
    fetch_key "$3" "$1.asc" || return 1
    mkdir -p "${keyring%/*}"
    gpg --batch --yes --dearmor -o "$keyring" <"$downloads/$1.asc" 2>/dev/null
    chmod 644 "$keyring"
    # shellcheck disable=SC2086
    set -- $repository
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nArchitectures: %s\nSigned-By: %s\n' \
        "$1" "$2" "${3:-}" "$(dpkg --print-architecture)" "$keyring" >"$source"
    # A source that does not answer would break each later update of the whole lab.
    if ! thrice apt_get update -o "Dir::Etc::sourcelist=$source" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any; then
        rm -f "$source"
        return 1
    fi
    install_packages "$package" || {
        dpkg-query -s "$package" >/dev/null 2>&1 || rm -f "$source"
        return 1
    }
}

# SOURCE KEY REPOSITORY PACKAGE: adds a vendor's dnf repository and installs the package. An empty KEY is a vendor that
# does not sign: then the address must be an encrypted one, and the sums in the repository's list are what is compared.
vendor_dnf() {
    source=/etc/yum.repos.d/$1.repo check=0 key='' package=$4
    if [ -n "$2" ]; then
        fetch_key "$2" "$1.asc" || return 1
        key=/etc/pki/rpm-gpg/halolab-$1.asc check=1
        mkdir -p "${key%/*}"
        cp "$downloads/$1.asc" "$key"
        key=file://$key
    else
        case $3 in https://*) ;; *) fail "$3 is neither signed nor encrypted: give an https address, or its key." ;; esac
        say "Note: $1's vendor does not sign its packages; what is compared are the sums in its list, which comes over HTTPS."
    fi
    printf '[%s]\nname=%s\nbaseurl=%s\nenabled=1\nskip_if_unavailable=1\ngpgcheck=%s\ngpgkey=%s\n' \
        "$1" "$1" "$3" "$check" "$key" >"$source"
    install_packages "$package" || {
        rpm -q "$package" >/dev/null 2>&1 || rm -f "$source"
        return 1
    }
}

# TITLE NAME ADDRESS: installs an editor from the archive at ADDRESS, or where that is empty from its vendor's
# repository: $apt (address suite component) signed by $apt_key, kept as $apt_keyring; or $yum signed by $yum_key.
vendor_editor() {
    words="set $2_url to a package or a .tar.gz, or choose code-server."
    case ${3:+archive}$IMAGE_FAMILY in
        archive*)
            split_address "$2_url" "$3"
            try "$1 could not be installed from $url; the lines above say why." vendor_archive "$2" "$2" "$url" "$sum"
            ;;
        debian)
            try "$1 could not be installed from $apt: without a way there, $words" \
                vendor_apt "$2" "$apt_keyring" "$apt_key" "$apt" "$2"
            ;;
        fedora)
            try "$1 could not be installed from $yum: without a way there, $words" vendor_dnf "$2" "$yum_key" "$yum" "$2"
            ;;
        *) fail "$1's vendor has packages for Debian, Ubuntu and Fedora only: set $2_url to a .tar.gz, take the Debian image, or choose code-server." ;;
    esac
    say "Installed $1: $(command -v "$2")"
}

# NAME COMMAND URL SHA256: installs a vendor's package, or unpacks its archive to /opt/NAME and links COMMAND.
# What was installed from the same file is not fetched again.
vendor_archive() {
    if [ "$(cat "/opt/$1/.source" 2>/dev/null)" = "$3#sha256=$4" ]; then
        say "$3 is installed already."
        return 0
    fi
    name=${3##*/}
    fetch "$3" "$4" "$name" || return 1
    file=$downloads/$name
    rm -rf "/opt/$1.new"
    mkdir -p "/opt/$1.new"
    case $3 in
        *.deb)
            [ "$IMAGE_FAMILY" = debian ] || fail "$3 is a package for Debian and Ubuntu: give the address of a .tar.gz."
            apt_get install "$file" || return 1
            ;;
        *.rpm)
            [ "$IMAGE_FAMILY" = fedora ] || fail "$3 is a package for Fedora: give the address of a .tar.gz."
            dnf_run install "$file" || return 1
            ;;
        *.tar.* | *.tgz)
            tar --no-same-owner --strip-components=1 -C "/opt/$1.new" -xf "$file" || return 1
            program=$(find "/opt/$1.new" -type f -perm -u+x \( -path "*/bin/$2" -o -path "/opt/$1.new/$2" \) | sort | head -n 1)
            [ -n "$program" ] || fail "$3 holds no program $2."
            ln -sfn "/opt/$1/${program#"/opt/$1.new/"}" "/usr/local/bin/$2"
            ;;
        *) fail "$3 is neither a .deb, a .rpm nor a .tar archive." ;;
    esac
    printf '%s\n' "$3#sha256=$4" >"/opt/$1.new/.source"
    rm -rf "/opt/$1" "$file"
    mv "/opt/$1.new" "/opt/$1"
}

has_systemd() { [ -d /run/systemd/system ]; }

# WORD LIST: whether the list, separated by spaces, holds the word.
listed() {
    case " $2 " in *" $1 "*) return 0 ;; esac
    return 1
}
LIBRARY
}

# The host's bundle was pushed over the image's. Each authority in it that the distribution's own
# package does not bring becomes a local one.
keep_authorities() {
    bundle=/etc/ssl/certs/ca-certificates.crt
    [ -s "$bundle" ] || return 0
    if command -v update-ca-trust >/dev/null; then
        anchors=/etc/ca-certificates/trust-source/anchors
        [ "$IMAGE_FAMILY" != fedora ] || anchors=/etc/pki/ca-trust/source/anchors
        mkdir -p $anchors
        [ -s $anchors/halolab-host.pem ] || cp "$bundle" $anchors/halolab-host.pem
        update-ca-trust
        return 0
    fi
    mkdir -p /usr/local/share/ca-certificates
    find /usr/share/ca-certificates -name '*.crt' -exec cat {} + 2>/dev/null | awk '
        /BEGIN CERTIFICATE/ { block = ""; inside = 1 }
        inside { block = block $0 "\n" }
        /END CERTIFICATE/ {
            inside = 0
            if (block in known) next
            known[block] = 1
            if (package) next
            file = sprintf("/usr/local/share/ca-certificates/halolab-host-%03d.crt", ++count)
            printf "%s", block > file
            close(file)
        }' package=1 - package=0 "$bundle"
    if command -v update-ca-certificates >/dev/null; then update-ca-certificates >/dev/null 2>&1; fi
}

main </dev/null
