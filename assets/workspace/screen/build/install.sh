#!/bin/sh
# A screen that VNC shows, in the browser too, with a small window manager.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
# python3-xdg: openbox starts by it what a user put into ~/.config/autostart
packages tigervnc-standalone-server tigervnc-tools python3-websockify openbox python3-xdg xterm dbus dbus-x11 \
    x11-xserver-utils x11-utils xauth xfonts-base fonts-dejavu-core
# Pages only: the package would bring Node, 190 MB that nothing here runs.
cd "$downloads" || exit 1
apt-get download -q novnc
dpkg -x novnc_*.deb novnc
cp -r novnc/usr/share/novnc /usr/share/novnc
ln -sf vnc.html /usr/share/novnc/index.html
tidy
