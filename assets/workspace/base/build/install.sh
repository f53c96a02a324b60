#!/bin/sh
# SSH, supervisor, and what people reach for in a shell.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
# no service of a package starts while the image is built
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
packages ca-certificates curl
# a company's authorities, which came before this
update-ca-certificates >/dev/null
packages wget tini supervisor openssh-server openssh-client sudo passwd procps iproute2 openssl bash-completion less nano \
    vim-tiny tmux screen htop git git-lfs rsync file zip unzip p7zip-full xz-utils locales tzdata jq python3 \
    python3-venv python3-pip
# keys that all users of the image would share
rm -f /etc/ssh/ssh_host_*
mkdir -p /run/sshd /var/lib/state /workspace /shared /etc/workspace/init /etc/workspace/programs /var/lib/workspace
tidy
