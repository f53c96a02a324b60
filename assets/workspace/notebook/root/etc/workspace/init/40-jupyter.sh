# shellcheck shell=sh disable=SC2154
# Jupyter gets a salted hash. Without a password it is not reached from outside at all.
mkdir -p /run/workspace/jupyter
if [ ! -e /etc/workspace/programs/jupyter.conf ]; then
    :
elif has password; then
    salt=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
    sum=$({ secret password | tr -d '\n'; printf '%s' "$salt"; } | sha256sum)
    jq -n --arg hash "sha256:$salt:${sum%% *}" --arg home "$home" --arg base "${WS_JUPYTER_BASE:-/}" '{
        ServerApp: {ip: "0.0.0.0", port: 8888, port_retries: 0, open_browser: false, root_dir: $home, base_url: $base, allow_remote_access: true},
        IdentityProvider: {token: ""},
        PasswordIdentityProvider: {hashed_password: $hash, password_required: true}}' >/run/workspace/jupyter/config.json
    chown -R "$WS_UID:$WS_GID" /run/workspace/jupyter
    chmod 600 /run/workspace/jupyter/config.json
else
    refuse jupyter "it would be open to everybody: there is no password in $secrets"
fi
