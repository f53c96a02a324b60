#!/bin/sh
# Tells the programs of the lab which display is passed in.
set -eu

echo 'DISPLAY=:0' >/etc/halolab/display.env
echo "Windows go to the display :0 of this machine."
