#!/bin/sh
# Jupyter and TensorBoard in an environment that belongs to the image; the user's own is ~/venv.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
packages nginx-light
rm -f /etc/nginx/sites-enabled/default
python3 -m venv /opt/jupyter
locked /opt/jupyter /opt/workspace/build/notebook/requirements.txt
tidy
