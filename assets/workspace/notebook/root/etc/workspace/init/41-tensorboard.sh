# shellcheck shell=sh disable=SC2154
# TensorBoard has no password of its own, so a door stands before it. It says without one only whether it is there.
mkdir -p /run/workspace/tensorboard
if [ ! -e /etc/workspace/programs/tensorboard.conf ]; then
    :
elif has password; then
    (umask 077 && printf '%s:%s\n' "$WS_USER" "$(secret password | openssl passwd -6 -stdin)" >/run/workspace/tensorboard/users)
    cat >/run/workspace/tensorboard/nginx.conf <<NGINX
user $WS_USER;
worker_processes 1;
pid /run/workspace/tensorboard/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path /run/workspace/tensorboard/body;
    proxy_temp_path /run/workspace/tensorboard/proxy;
    fastcgi_temp_path /run/workspace/tensorboard/fastcgi;
    uwsgi_temp_path /run/workspace/tensorboard/uwsgi;
    scgi_temp_path /run/workspace/tensorboard/scgi;
    server {
        listen 6006;
        location = /-/ready {
            proxy_pass http://127.0.0.1:6016/data/plugins_listing;
        }
        location / {
            auth_basic "TensorBoard";
            auth_basic_user_file /run/workspace/tensorboard/users;
            proxy_set_header Authorization "";
            proxy_set_header Host \$http_host;
            proxy_pass http://127.0.0.1:6016;
        }
    }
}
NGINX
    chown -R "$WS_UID:$WS_GID" /run/workspace/tensorboard
else
    refuse tensorboard "it would be open to everybody: there is no password in $secrets"
fi
