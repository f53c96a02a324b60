# shellcheck shell=sh disable=SC2154
# Without the rights dockerd would end again and again: it is left out, and it is said.
rm -f /run/docker.pid /var/run/docker/containerd/containerd.pid
if ! wanted dind; then
    :
elif ! mount -t tmpfs none /mnt 2>/dev/null; then
    refuse dind "the workspace may not mount: give it the rights for Docker inside, which is a choice of its own"
else
    umount /mnt
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        # version 2: who sits at the root of the tree hinders groups below it
        mount -o remount,bind,rw /sys/fs/cgroup 2>/dev/null || true
        mkdir -p /sys/fs/cgroup/init
        xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true
        sed 's/ / +/g; s/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control || true
    else
        # version 1: each controller is a mount that is only read
        for mount in /sys/fs/cgroup/*/; do mount -o remount,bind,rw,nosuid,nodev,noexec "$mount" 2>/dev/null || true; done
    fi
    usermod -aG docker "$WS_USER"
    case $(stat -f -c %T /var/lib/docker 2>/dev/null) in
        overlayfs) say "dind: /var/lib/docker is no volume: containers inside will be slow, and go with the workspace" ;;
    esac
fi
