# Limits that many containers run into, forwarding for their bridge, and user ids for their users. Only ever raises.
# Forwarding is on before Docker starts at the next boot: then Docker leaves it at ACCEPT.
settings=/etc/sysctl.d/60-halolab.conf
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
mkdir -p /etc/sysctl.d
made file $settings
echo '# written by halolab: what many containers need' >$settings
while read -r name least; do
  file=/proc/sys/$(echo "$name" | tr . /)
  [ -e "$file" ] || continue
  now=$(cat "$file")
  if [ "$now" -lt "$least" ]; then
    echo "$least" >"$file" && echo "$name: $now -> $least" || echo "$name stays $now: this machine does not let it be changed"
  fi
  echo "$name = $least" >>$settings
done <<L
fs.inotify.max_user_instances 1024
fs.inotify.max_user_watches 1048576
kernel.keys.maxkeys 2000
net.ipv4.ip_forward 1
L

# A range of its own, behind those that are taken.
for file in /etc/subuid /etc/subgid; do
  touch $file
  grep -q '^root:' $file || {
    first=$(awk -F: '{end = $2 + $3; if (end > last) last = end} END {print (last > 1000000 ? last : 1000000)}' $file)
    made line "$file root:$first:1000000000"
    echo "root:$first:1000000000" >>$file
    echo "$file: ids from $first are for labs"
  }
done
