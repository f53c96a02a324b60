#!/bin/sh
# Makes ComfyUI a service that starts with the lab, where that was chosen and systemd is there.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    if ! has_systemd; then
        say "This image has no systemd: start ComfyUI with the command comfyui."
        return 0
    fi
    cat >/etc/systemd/system/comfyui.service <<'UNIT'
[Unit]
Description=ComfyUI
After=network.target

[Service]
User=lab
ExecStart=/usr/local/bin/comfyui
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    if [ "${OPT_COMFYUI_AUTOSTART:-1}" != 1 ]; then
        systemctl disable -q --now comfyui.service
        say "ComfyUI starts with: systemctl start comfyui"
        return 0
    fi
    systemctl enable -q comfyui.service
    try "The service of ComfyUI does not start: 'journalctl -u comfyui' inside the lab says why." \
        systemctl restart comfyui.service
    say "ComfyUI starts with the lab; it is on port ${OPT_COMFYUI_PORT:-8188} of the lab's address."
}

main </dev/null
