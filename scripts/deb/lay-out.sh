# Where the files go, for the package and for scripts/install. POSIX sh; run in the root of a checkout that is built.
#   lay_out TREE NODE_MODULES NODE     NODE: the program that runs it, as it will be called
lay_out() {
  lib=$1/usr/lib/millgate doc=$1/usr/share/doc/millgate
  mkdir -p "$lib" "$doc/examples" "$1/usr/bin" "$1/etc/default" "$1/usr/lib/systemd/system" "$1/usr/lib/sysusers.d" \
    "$1/usr/lib/tmpfiles.d" "$1/usr/lib/udev/rules.d"
  cp -r config "$lib/"
  node scripts/deb/bundle.mjs "$lib"
  cp -r dist/web "$lib/dist/web"
  cp -r "$2" "$lib/node_modules"
  ln -s dist/program/main.cjs "$lib/millgate"
  sed "s|@NODE@|$3|" scripts/deb/millgate.in >"$1/usr/bin/millgate"
  chmod 755 "$1/usr/bin/millgate"
  cp systemd/millgate.service "$1/usr/lib/systemd/system/millgate.service"
  cp scripts/deb/keep-or-return.sh "$lib/"
  cp systemd/millgate-pull.service systemd/millgate-pull.timer "$1/usr/lib/systemd/system/"
  cp systemd/millgate.sysusers "$1/usr/lib/sysusers.d/millgate.conf"
  cp systemd/millgate.tmpfiles "$1/usr/lib/tmpfiles.d/millgate.conf"
  cp systemd/60-millgate.rules "$1/usr/lib/udev/rules.d/60-millgate.rules"
  cp systemd/millgate.default "$1/etc/default/millgate"
  cp systemd/examples/* "$doc/examples/"
  cp README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md "$doc/"
  mkdir -p "$doc/docs"
  cp docs/*.md "$doc/docs/"
  if [ -f docs/millgate.1 ]; then
    mkdir -p "$1/usr/share/man/man1"
    gzip -9nc docs/millgate.1 >"$1/usr/share/man/man1/millgate.1.gz"
  fi
  completion bash "$1/usr/share/bash-completion/completions/millgate"
  completion zsh "$1/usr/share/zsh/vendor-completions/_millgate"
  completion fish "$1/usr/share/fish/vendor_completions.d/millgate.fish"
}

# Which Node.js the installed program runs on, given that of this machine: one in somebody's home, as version managers put
# it, cannot be seen by the service and goes with its user, so a copy of it is brought along.
node_for() {
  case $1 in
    /usr/* | /bin/* | /opt/*) echo "$1" ;;
    *) echo /usr/lib/millgate/bin/node ;;
  esac
}

# By the name that it will have: called as a file of this checkout, the program would have the shell call that.
completion() {
  mkdir -p "$(dirname "$2")"
  node "$lib/millgate" completion "$1" >"$2"
}
