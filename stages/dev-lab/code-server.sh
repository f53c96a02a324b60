#!/bin/sh
# Installs code-server (VS Code in the browser) from the project's releases, as a service of lab.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -n "${OPT_CODE_SERVER_URL:-}" ]; then
        split_address code_server_url "$OPT_CODE_SERVER_URL"
    else
        try "GitHub does not tell the newest release of coder/code-server: without a way there, set code_server_url." \
            newest_release coder/code-server "^code-server-[0-9.]+-linux-$(architecture)\\.tar\\.gz\$"
    fi
    try "code-server could not be installed from $url: set code_server_url to an address that this lab reaches." \
        vendor_archive code-server code-server "$url" "$sum"
    write_settings
    make_service
    say "Installed code-server $(code-server --version | head -n 1)"
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
