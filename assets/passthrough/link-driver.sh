#!/bin/sh
# Links the NVIDIA driver's own libraries out of the host's folder, which may hold a whole distribution, and tells the
# dynamic linker of them. Run by halolab before each proof, and by systemd at each start of the lab: after an update of
# the host's driver some of the libraries have other names.
set -eu

from=/opt/halolab/host-driver
to=/opt/halolab/driver

main() {
    [ -e $from/libcuda.so.1 ] || {
        echo "libcuda.so.1 is not in $from: the host's NVIDIA driver has no user-space libraries, or lies elsewhere now" >&2
        exit 1
    }
    mkdir -p $to
    for library in "$from"/libcuda.so.* "$from"/libcudadebugger.so.* "$from"/libnvidia-*.so.* "$from"/libnvcuvid.so.* \
        "$from"/libnvoptix.so.*; do
        case $library in *-container*) continue ;; esac
        [ ! -e "$library" ] || ln -sfn "$library" $to/
    done
    for link in "$to"/*; do
        [ -e "$link" ] || rm -f "$link"
    done
    tell_linker
    if [ "${1:-}" != boot ]; then install_unit; fi
}

# Without a cache, as on musl, nothing of NVIDIA runs anyway.
tell_linker() {
    command -v ldconfig >/dev/null || return 0
    mkdir -p /etc/ld.so.conf.d
    echo $to >/etc/ld.so.conf.d/00-halolab-driver.conf
    grep -qs 'ld.so.conf.d' /etc/ld.so.conf || echo 'include /etc/ld.so.conf.d/*.conf' >>/etc/ld.so.conf
    ldconfig
}

install_unit() {
    command -v systemctl >/dev/null || return 0
    cat >/etc/systemd/system/halolab-driver.service <<'UNIT'
[Unit]
Description=Link the libraries of the host's NVIDIA driver (halolab)
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
ConditionPathExists=/opt/halolab/host-driver/libcuda.so.1

[Service]
Type=oneshot
ExecStart=/opt/halolab/link-driver boot

[Install]
WantedBy=sysinit.target
UNIT
    systemctl enable -q halolab-driver.service
}

main "$@"
