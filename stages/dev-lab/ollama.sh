#!/bin/sh
# Installs Ollama as a service of lab: Arch's package, or the project's archive without the GPU
# libraries (a dev-lab has no GPU). Models go to /data/models.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if [ -z "${OPT_OLLAMA_URL:-}" ] && [ "$IMAGE_FAMILY" = arch ]; then
        try "Arch's package 'ollama' could not be installed; the lines above say why." install_packages ollama
    else
        from_archive
    fi
    make_service
    say "Installed Ollama: $(ollama --version 2>/dev/null | head -n 1)"
}

from_archive() {
    hint="without a way there, set ollama_url to a mirror's archive."
    if [ -n "${OPT_OLLAMA_URL:-}" ]; then
        split_address ollama_url "$OPT_OLLAMA_URL"
    else
        try "GitHub does not tell the newest release of ollama/ollama: $hint" \
            newest_release ollama/ollama "^ollama-linux-$(architecture)\\.tar\\.zst\$"
    fi
    if [ "$(cat /opt/ollama/.source 2>/dev/null)" = "$url#sha256=$sum" ]; then
        say "$url is installed already."
        return 0
    fi
    name=${url##*/}
    archive=$downloads/$name
    try "Ollama could not be fetched from $url: $hint" fetch "$url" "$sum" "$name"
    rm -rf /opt/ollama.new
    mkdir /opt/ollama.new
    try "The archive of Ollama could not be unpacked: is the disk full?" \
        tar --no-same-owner --exclude='*/cuda_*' --exclude='*/rocm*' -C /opt/ollama.new -xf "$archive"
    [ -x /opt/ollama.new/bin/ollama ] || fail "$url holds no program bin/ollama."
    printf '%s\n' "$url#sha256=$sum" >/opt/ollama.new/.source
    rm -rf /opt/ollama "$archive"
    mv /opt/ollama.new /opt/ollama
    ln -sfn /opt/ollama/bin/ollama /usr/local/bin/ollama
}

make_service() {
    as_lab mkdir -p /data/models/ollama
    if ! has_systemd; then
        say "This image has no systemd: start Ollama with 'ollama serve'."
        return 0
    fi
    cat >/etc/systemd/system/ollama.service <<UNIT
[Unit]
Description=Ollama
After=network.target

[Service]
User=lab
EnvironmentFile=-/etc/halolab/lab.env
ExecStart=$(command -v ollama) serve
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable -q ollama.service
    try "The service of Ollama does not start: 'journalctl -u ollama' inside the lab says why." \
        systemctl restart ollama.service
}

main </dev/null
