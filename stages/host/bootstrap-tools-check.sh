# Exits 0 where what the wanted distributions are built with is installed. OPT_BOOTSTRAP: their names.
PATH=$PATH:/usr/sbin:/sbin
for name in ${OPT_BOOTSTRAP:-}; do
  case $name in
    arch) command -v pacstrap && command -v pacman ;;
    *) command -v mmdebstrap || command -v debootstrap ;;
  esac >/dev/null || exit 1
  case $name in
    debian | ubuntu) [ -e /usr/share/keyrings/$name-archive-keyring.gpg ] || exit 1 ;;
  esac
done
