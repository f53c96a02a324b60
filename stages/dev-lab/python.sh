#!/bin/sh
# Python is there with the base packages; this brings uv, and the settings of pip and uv.
set -eu
. /usr/local/lib/halolab/lab.sh

main() {
    {
        echo '[global]'
        if [ -s /etc/ssl/certs/ca-certificates.crt ]; then echo 'cert = /etc/ssl/certs/ca-certificates.crt'; fi
        if [ -n "${OPT_PIP_INDEX:-}" ]; then echo "index-url = $OPT_PIP_INDEX"; fi
    } >/etc/pip.conf
    : >/etc/halolab/python.env
    if [ -n "${OPT_PIP_INDEX:-}" ]; then echo "UV_DEFAULT_INDEX=$OPT_PIP_INDEX" >/etc/halolab/python.env; fi
    if [ "$IMAGE_FAMILY" != debian ]; then
        try "uv could not be installed; the lines above say why." install_packages uv
    else
        [ -x /opt/uv/bin/python ] || python3 -m venv /opt/uv
        try "uv could not be installed from the Python package index: without a way there, set pip_index." \
            thrice /opt/uv/bin/pip install -q --no-cache-dir --upgrade uv
        ln -sfn /opt/uv/bin/uv /usr/local/bin/uv
        ln -sfn /opt/uv/bin/uvx /usr/local/bin/uvx
    fi
    say "Installed $(python3 --version), $(uv --version)"
}

main </dev/null
