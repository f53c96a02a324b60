# Lets the labs' bridges through a firewall that drops what is forwarded, and keeps it so after a restart.
# Docker sets FORWARD to DROP when it is the one that turns forwarding on, and what LXD or Incus accept in nftables
# does not override that. HALOLAB_BRIDGE: names of the bridges. HALOLAB_PERSIST=no: not beyond the next restart.
bridges=${HALOLAB_BRIDGE:-lxdbr0 incusbr0 halobr0}
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }

# with forwarding on before it starts, Docker leaves the policy at ACCEPT
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 >/proc/sys/net/ipv4/ip_forward
command -v iptables >/dev/null 2>&1 || exit 0

if command -v firewall-cmd >/dev/null 2>&1 && firewall-cmd --state >/dev/null 2>&1; then
  for bridge in $bridges; do
    firewall-cmd -q --zone=trusted --query-interface="$bridge" || made firewalld "$bridge"
    firewall-cmd -q --zone=trusted --change-interface="$bridge"
    [ "${HALOLAB_PERSIST:-}" = no ] || firewall-cmd -q --permanent --zone=trusted --change-interface="$bridge"
    echo "firewalld: $bridge is in the zone trusted"
  done
elif command -v ufw >/dev/null 2>&1 && ufw status | grep -q '^Status: active'; then
  for bridge in $bridges; do
    ufw status | grep -q " on $bridge\\b" || made ufw "$bridge"
    ufw allow in on "$bridge"
    ufw route allow in on "$bridge"
    ufw route allow out on "$bridge"
  done
fi

# Docker never flushes DOCKER-USER; without Docker the exceptions stand first in FORWARD itself
text='chain=FORWARD
! iptables -w -S DOCKER-USER >/dev/null 2>&1 || chain=DOCKER-USER
accept() { iptables -w -C $chain "$@" -j ACCEPT 2>/dev/null || iptables -w -I $chain "$@" -j ACCEPT; }
for bridge in '$bridges'; do
  accept -i $bridge
  accept -o $bridge -m conntrack --ctstate RELATED,ESTABLISHED
done'
iptables -w -S 2>/dev/null | grep -Eq '^-P FORWARD DROP|^-A FORWARD -j (DROP|REJECT)|^-N DOCKER-USER' || exit 0
chain=FORWARD
! iptables -w -S DOCKER-USER >/dev/null 2>&1 || chain=DOCKER-USER
for bridge in $bridges; do
  for rule in "-i $bridge" "-o $bridge -m conntrack --ctstate RELATED,ESTABLISHED"; do
    # shellcheck disable=SC2086
    iptables -w -C $chain $rule -j ACCEPT 2>/dev/null || made rule "$chain $rule -j ACCEPT"
  done
done
eval "$text"
echo "firewall: packets from and answers to $bridges are forwarded"

[ "${HALOLAB_PERSIST:-}" != no ] || exit 0
if [ ! -d /run/systemd/system ]; then
  echo "firewall: no systemd here: after a restart, mend it again: halolab doctor --fix network.forward_dropped"
  exit 0
fi
made file /usr/local/lib/halolab/firewall
made unit halolab-firewall.service
mkdir -p /usr/local/lib/halolab
printf '#!/bin/sh\n# written by halolab: lets its bridges through a firewall that drops what is forwarded\n%s\n' "$text" \
  >/usr/local/lib/halolab/firewall
chmod 755 /usr/local/lib/halolab/firewall
cat >/etc/systemd/system/halolab-firewall.service <<U
[Unit]
Description=Let the bridges of halolab's labs through the firewall
After=docker.service firewalld.service ufw.service network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/halolab/firewall

[Install]
WantedBy=multi-user.target
U
systemctl daemon-reload
systemctl enable -q halolab-firewall.service
echo "firewall: halolab-firewall.service does the same at each start"
