#!/bin/sh
# busybox-image.sh OUT.tar.gz : a unified image of 1 MB that boots, takes an address by DHCP and halts when told.
# The same bytes each time, so that its fingerprint is known. Needs busybox-static.
set -eu
out=$(realpath -m "${1:?usage: busybox-image.sh OUT.tar.gz}")
epoch=1700000000
busybox=
for path in /usr/bin/busybox /bin/busybox; do [ ! -x $path ] || { busybox=$path; break; }; done
[ -n "$busybox" ] || { echo "no busybox: apt-get install busybox-static" >&2; exit 1; }
umask 022
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
root=$work/rootfs
for folder in bin sbin usr/bin usr/sbin usr/share/udhcpc etc/init.d proc sys dev tmp root var/log var/run run mnt; do
  mkdir -p "$root/$folder"
done
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'root::19000:0:99999:7:::' >"$root/etc/shadow"
printf 'ID=busybox\nNAME="BusyBox lab"\nVERSION_ID="1"\nPRETTY_NAME="BusyBox lab image"\n' >"$root/etc/os-release"
# Busybox's own init sleeps two seconds while it halts, and tests stop a lab hundreds of times.
cat >"$root/sbin/init" <<'O'
#!/bin/sh
# all others end with the first process
trap 'exit 0' PWR USR1 USR2 TERM
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/
/etc/init.d/rcS </dev/null
while :; do
  udhcpc -f -n -i eth0 -s /usr/share/udhcpc/default.script
  sleep 1
done </dev/null >/dev/null 2>&1 &
while :; do
  sleep 100000 &
  wait $!
done
O
cat >"$root/etc/init.d/rcS" <<'O'
#!/bin/sh
hostname "$(cat /etc/hostname 2>/dev/null || echo bb)"
ip link set lo up 2>/dev/null
echo "boot $(date +%s)" >> /var/log/boot.log
O
cat >"$root/usr/share/udhcpc/default.script" <<'O'
#!/bin/sh
case "$1" in
 deconfig) ip addr flush dev $interface; ip link set $interface up;;
 bound|renew) ip addr add $ip/${mask:-24} dev $interface 2>/dev/null
   for g in $router; do ip route replace default via $g dev $interface; done
   : > /etc/resolv.conf; for d in $dns; do echo "nameserver $d" >> /etc/resolv.conf; done;;
esac
O
chmod 755 "$root/sbin/init" "$root/etc/init.d/rcS" "$root/usr/share/udhcpc/default.script"
mkdir "$work/templates"
echo '{{ container.name }}' >"$work/templates/hostname.tpl"
cat >"$work/metadata.yaml" <<O
architecture: $(uname -m)
creation_date: $epoch
properties: {os: BusyBox, release: "1", variant: lab, serial: "20260101_0000", description: BusyBox lab image}
templates:
  /etc/hostname: {when: [create, copy, start], template: hostname.tpl}
O
mkdir -p "$(dirname "$out")"
tar --sort=name --mtime=@$epoch --owner=0 --group=0 --numeric-owner -C "$work" -cf - metadata.yaml templates rootfs |
  gzip -n -6 >"$out.part"
mv "$out.part" "$out"
