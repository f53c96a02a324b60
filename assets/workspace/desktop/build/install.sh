#!/bin/sh
# KDE Plasma on the screen, X2Go (through SSH; the one way that has sound), RDP (an own session), PulseAudio.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
packages plasma-desktop plasma-workspace kwin-x11 konsole dolphin kate kde-spectacle systemsettings kde-cli-tools breeze \
    breeze-icon-theme xdg-utils x2goserver x2goserver-xsession xrdp xorgxrdp pulseaudio pulseaudio-utils pavucontrol
# keys that all users of the image would share
rm -f /etc/xrdp/rsakeys.ini /etc/xrdp/key.pem /etc/xrdp/cert.pem
tidy
