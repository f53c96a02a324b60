# shellcheck shell=sh disable=SC2154
# VNC's password: eight bytes count, the rest is cut without a word. `vnc_password` is one of its own.
mkdir -p /run/workspace/vnc
if has vnc_password; then
    secret vnc_password | head -c 8 | tigervncpasswd -f >/run/workspace/vnc/password
elif has password; then
    secret password | head -c 8 | tigervncpasswd -f >/run/workspace/vnc/password
else
    # the user reads it by SSH
    [ -s /var/lib/state/vnc_password ] || (umask 077 && od -An -N4 -tx1 /dev/urandom | tr -d ' \n' >/var/lib/state/vnc_password)
    chown "$WS_UID:$WS_GID" /var/lib/state/vnc_password
    tigervncpasswd -f </var/lib/state/vnc_password >/run/workspace/vnc/password
    say "VNC has a password of its own: /var/lib/state/vnc_password"
fi
rm -f /tmp/.X1-lock /tmp/.X11-unix/X1
mkdir -p /tmp/.X11-unix
chmod 1777 /tmp /tmp/.X11-unix
: >/run/workspace/vnc/authority
xauth -q -f /run/workspace/vnc/authority add :1 . "$(mcookie)" 2>/dev/null
chown -R "$WS_UID:$WS_GID" /run/workspace/vnc
chmod 700 /run/workspace/vnc
chmod 600 /run/workspace/vnc/*
