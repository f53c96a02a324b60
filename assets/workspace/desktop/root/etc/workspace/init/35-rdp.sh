# shellcheck shell=sh disable=SC2154
if has password; then
    # of this workspace, and the same ones after it was made anew: clients remember them
    mkdir -p /var/lib/state/xrdp /run/xrdp
    rm -f /run/xrdp/*.pid
    chown xrdp:xrdp /run/xrdp 2>/dev/null || true
    if [ ! -s /var/lib/state/xrdp/key.pem ]; then
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$(hostname)" \
            -keyout /var/lib/state/xrdp/key.pem -out /var/lib/state/xrdp/cert.pem 2>/dev/null
        xrdp-keygen xrdp /var/lib/state/xrdp/rsakeys.ini >/dev/null 2>&1 || true
    fi
    chown -R xrdp:xrdp /var/lib/state/xrdp
    chmod 700 /var/lib/state/xrdp
    ln -sf /var/lib/state/xrdp/rsakeys.ini /etc/xrdp/rsakeys.ini
    sed -i 's#^certificate=.*#certificate=/var/lib/state/xrdp/cert.pem#; s#^key_file=.*#key_file=/var/lib/state/xrdp/key.pem#' /etc/xrdp/xrdp.ini
    printf '#!/bin/sh\nif command -v startplasma-x11 >/dev/null; then exec dbus-run-session startplasma-x11; fi\nexec dbus-run-session openbox-session\n' >/etc/xrdp/startwm.sh
    chmod 755 /etc/xrdp/startwm.sh
else
    refuse rdp "nobody could log in: there is no password in $secrets"
fi
