# Installs what builds images of the distributions in OPT_BOOTSTRAP from their packages, with the keys that sign those.
export DEBIAN_FRONTEND=noninteractive
# what is not there yet is written down right before it is made: uninstall takes back that and nothing else
made() { [ -z "${HALOLAB_RECEIPT:-}" ] || printf '%s\n' "$*" >>"$HALOLAB_RECEIPT"; }
packages=
for name in ${OPT_BOOTSTRAP:?debian, ubuntu or arch}; do
  if command -v apt-get >/dev/null 2>&1; then
    case $name in
      debian) packages="$packages mmdebstrap debian-archive-keyring" ;;
      ubuntu) packages="$packages mmdebstrap ubuntu-archive-keyring" ;;
      arch) packages="$packages arch-install-scripts pacman-package-manager archlinux-keyring" ;;
    esac
  elif command -v pacman >/dev/null 2>&1; then
    case $name in
      debian) packages="$packages debootstrap debian-archive-keyring" ;;
      ubuntu) packages="$packages debootstrap ubuntu-keyring" ;;
      arch) packages="$packages arch-install-scripts" ;;
    esac
  else
    case $name in
      debian) packages="$packages debootstrap debian-keyring" ;;
      ubuntu) packages="$packages debootstrap ubu-keyring" ;;
      arch) packages="$packages arch-install-scripts pacman" ;;
    esac
  fi
done
# shellcheck disable=SC2086
if command -v apt-get >/dev/null 2>&1; then
  apt-get -q update
  for name in $packages; do
    apt-cache policy "$name" | grep -q '^ *Candidate: [^(]' || {
      echo "This release has no package $name: choose another image (a remote one, or a file)." >&2
      exit 1
    }
  done
  for name in $packages; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || made package apt "$name"
  done
  apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
elif command -v pacman >/dev/null 2>&1; then
  for name in $packages; do pacman -Qq "$name" >/dev/null 2>&1 || made package pacman "$name"; done
  pacman -S --needed --noconfirm $packages
elif command -v dnf >/dev/null 2>&1; then
  for name in $packages; do rpm -q "$name" >/dev/null 2>&1 || made package rpm "$name"; done
  dnf install -y $packages
else
  for name in $packages; do rpm -q "$name" >/dev/null 2>&1 || made package rpm "$name"; done
  zypper --non-interactive install --no-recommends $packages
fi
