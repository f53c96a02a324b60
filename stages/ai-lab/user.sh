#!/bin/sh
# Makes the user lab (1000), the group gpu (2990, the number in the profile's devices), the data
# folders, and the environment that sends caches and models to them.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    make_group
    make_user
    make_sudo
    make_folders
    write_environment
    say "The user lab is ready; its data is under /data."
}

make_group() {
    holder=$(getent group 2990 | cut -d: -f1)
    case $holder in
        gpu) ;;
        '') groupadd -f -g 2990 gpu ;;
        *) fail "The group $holder has the number 2990 in this image, which the lab's devices need. Choose another image." ;;
    esac
}

make_user() {
    if ! id lab >/dev/null 2>&1; then
        # Ubuntu's images come with a user 1000 of their own. The data folders belong to 1000, and an
        # image of another distribution must find its files in them, so that user is renamed.
        former=$(getent passwd 1000 | cut -d: -f1)
        if [ -n "$former" ]; then
            usermod -l lab -d /home/lab -m "$former"
            groupmod -n lab "$(id -gn lab)"
        else
            useradd -m -u 1000 -s /bin/bash lab
        fi
    fi
    [ "$(id -u lab)" = 1000 ] || fail "The user lab has the number $(id -u lab) in this image; the data folders need 1000. Choose another image."
    for group in gpu render video audio; do
        if getent group "$group" >/dev/null; then usermod -a -G "$group" lab; fi
    done
}

make_sudo() {
    mkdir -p /etc/sudoers.d
    rule='lab ALL=(ALL:ALL) NOPASSWD: ALL'
    if [ -n "${SECRET_PASSWORD:-}" ] && [ -s "$SECRET_PASSWORD" ]; then
        printf 'lab:%s\n' "$(cat "$SECRET_PASSWORD")" | chpasswd
        rule='lab ALL=(ALL:ALL) ALL'
    fi
    printf '%s\n' "$rule" >/etc/sudoers.d/halolab
    chmod 0440 /etc/sudoers.d/halolab
}

# The mounts belong to root when they are new; what lies in them from an earlier lab is left as it is.
make_folders() {
    mkdir -p /data/cache
    for folder in /data/*; do
        chown lab:lab "$folder" 2>/dev/null || [ "$(stat -c %u "$folder")" = 1000 ] ||
            fail "$folder belongs to another user and cannot be handed to lab: on this machine, give its folder to the first id of the containers' range."
    done
    if [ -d /data/projects ] && [ ! -e /home/lab/projects ]; then
        ln -s /data/projects /home/lab/projects
        chown -h lab:lab /home/lab/projects
    fi
}

write_environment() {
    bundle=/etc/ssl/certs/ca-certificates.crt
    {
        echo 'PIP_CACHE_DIR=/data/cache/pip'
        echo 'UV_CACHE_DIR=/data/cache/uv'
        echo 'npm_config_cache=/data/cache/npm'
        echo 'GOMODCACHE=/data/cache/go-mod'
        if [ -d /data/models ]; then
            echo 'HF_HOME=/data/models/huggingface'
            echo 'TORCH_HOME=/data/models/torch'
            echo 'OLLAMA_MODELS=/data/models/ollama'
        fi
        # Python's requests and Node bring lists of their own, without the authorities of this machine.
        if [ -s $bundle ]; then
            echo "SSL_CERT_FILE=$bundle"
            echo "REQUESTS_CA_BUNDLE=$bundle"
            echo "NODE_EXTRA_CA_CERTS=$bundle"
        fi
        if [ -n "${OPT_PROXY:-}" ]; then
            printf "http_proxy='%s'\nhttps_proxy='%s'\nno_proxy=localhost,127.0.0.1\n" "$OPT_PROXY" "$OPT_PROXY"
        fi
    } >/etc/halolab/lab.env
    cat >/etc/profile.d/halolab.sh <<'PROFILE'
# Caches and models go to the data folders, which outlive the lab.
set -a
for file in /etc/halolab/*.env; do
    [ ! -r "$file" ] || . "$file"
done
set +a
[ ! -r "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
[ ! -d /usr/local/go/bin ] || PATH=$PATH:/usr/local/go/bin:$HOME/go/bin
PROFILE
}

main </dev/null
