# shellcheck shell=sh disable=SC2154
mkdir -p /run/workspace/code
if has password; then
    # YAML's quotes: a quote of the password is doubled
    (umask 077 && printf "bind-addr: 0.0.0.0:8080\nauth: password\npassword: '%s'\ncert: false\n" "$(secret password | sed "s/'/''/g")" >/run/workspace/code/config.yaml)
    chown -R "$WS_UID:$WS_GID" /run/workspace/code
else
    refuse code "it would be open to everybody: there is no password in $secrets"
fi
