#!/bin/sh
# Installs code-server (VS Code in the browser) from the project's releases, as a service of lab.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    address=${OPT_CODE_SERVER_URL:-$(newest)}
    [ -n "$address" ] || fail "GitHub does not tell the newest release of coder/code-server: without a way there, set code_server_url."
    try "code-server could not be installed from $address: set code_server_url to an address that this lab reaches." \
        vendor_archive code-server code-server "$address"
    write_settings
    make_service
    say "Installed code-server $(code-server --version | head -n 1)"
}

# Prints the address of the newest archive.
newest() {
    releases=https://github.com/coder/code-server/releases
    page=$(curl -fsSLI --connect-timeout 20 --retry 2 -o /dev/null -w '%{url_effective}' $releases/latest) || return 0
    version=${page##*/v}
    [ "$version" = "$page" ] ||
        echo "$releases/download/v$version/code-server-$version-linux-$(architecture).tar.gz"
}

write_settings() {
    settings=/home/lab/.config/code-server/config.yaml
    case ${OPT_CODE_SERVER_PORT:-8080} in
        *[!0-9]* | '') fail "The port of code-server is a number between 1024 and 65535, not '$OPT_CODE_SERVER_PORT'." ;;
    esac
    [ ! -s $settings ] || return 0
    as_lab mkdir -p "${settings%/*}"
    password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
    printf 'auth: password\npassword: %s\ncert: false\n' "$password" >$settings
    chown lab:lab $settings
    chmod 600 $settings
}

make_service() {
    if ! has_systemd; then
        say "This image has no systemd: start code-server by its name."
        return 0
    fi
    cat >/etc/systemd/system/code-server.service <<UNIT
[Unit]
Description=code-server
After=network.target

[Service]
User=lab
WorkingDirectory=/home/lab
EnvironmentFile=-/etc/halolab/lab.env
EnvironmentFile=-/etc/halolab/node.env
ExecStart=/usr/local/bin/code-server --bind-addr 0.0.0.0:${OPT_CODE_SERVER_PORT:-8080}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable -q code-server.service
    try "The service of code-server does not start: 'journalctl -u code-server' inside the lab says why." \
        systemctl restart code-server.service
}

main </dev/null
