#!/bin/sh
# Documents, images, video.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
packages libreoffice-writer libreoffice-calc evince gimp inkscape vlc
tidy
