# The image server's stand-in, as the daemon sees it: an image is pulled by its alias over HTTPS, and
# only where its authority is named.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

say "--- an image from a simplestreams server"
# Unlike any other: what the daemon has by its fingerprint it does not fetch.
mkdir -p "$state/tree/rootfs"
printf 'architecture: %s\ncreation_date: %s\nproperties: {description: "stand-in"}\n' "$(uname -m)" "$(date +%s)" >"$state/tree/metadata.yaml"
head -c 300000 /dev/urandom >"$state/tree/rootfs/data"
tar -C "$state/tree" -czf "$state/image.tar.gz" metadata.yaml rootfs
serve images "$standins/simplestreams.py" "$state/images" "debian/12=$state/image.tar.gz" --bind "$host" --throttle 200
server=$(address_of images)

# CERTIFICATE: pulls the image; prints its fingerprint, or what the daemon says.
pull() {
    local operation
    operation=$(jq -n --arg server "$server" --arg certificate "$1" '{source: {type: "image", mode: "pull",
        server: $server, protocol: "simplestreams", alias: "debian/12", certificate: $certificate}}' |
        curl -sS --unix-socket "$socket" -d @- http://lxd/1.0/images | jq -r .operation)
    curl -sS --unix-socket "$socket" "http://lxd$operation/wait?timeout=120" |
        jq -r 'if (.metadata.err // .error // "") == "" then .metadata.metadata.fingerprint else .metadata.err // .error end'
}

expect "without its authority the server is refused" "$(pull '')" '.*(certificate|x509).*'
fingerprint=$(sha256sum <"$state/image.tar.gz" | cut -d' ' -f1)
expect "with it the image arrives" "$(pull "$(cat "$state/images/ca.crt")")" "$fingerprint"
expect "it was fetched from the server" "$(grep -c 'GET /images/.*combined.tar.gz' "$state/images/access.log")" 1
expect "the daemon holds it" "$(lxc image info "$fingerprint" </dev/null | grep -c 'description: stand-in\|Source:\|Fingerprint:')" '[1-9]'
lxc image delete "$fingerprint" </dev/null
expect "Incus finds its file too" "$(jq -r '[.products[].versions[].items[].ftype] | sort | join(" ")' \
    "$state/images/web/streams/v1/images.json")" 'incus_combined\.tar\.gz lxd_combined\.tar\.gz'
