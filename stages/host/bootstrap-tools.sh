# Installs what builds images of the distributions in OPT_BOOTSTRAP from their packages, with the keys that sign those.
export DEBIAN_FRONTEND=noninteractive
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
  apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
elif command -v pacman >/dev/null 2>&1; then
  pacman -S --needed --noconfirm $packages
elif command -v dnf >/dev/null 2>&1; then
  dnf install -y $packages
else
  zypper --non-interactive install --no-recommends $packages
fi
