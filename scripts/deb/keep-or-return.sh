# Whether readings flow, and the way back to the program before where they do not flow with a new one. Sourced by install.

# Whether the gateway that runs has a tag whose last reading is good.
flows() { /usr/bin/env millgate status --json 2>/dev/null | grep -q '"good": *[1-9]'; }

# remember_program ROOT: copies of what stands beside the program (its command, its units), to come back to.
remember_program() {
  rm -rf "$1/usr/lib/.millgate-was"
  mkdir -p "$1/usr/lib/.millgate-was"
  for file in usr/bin/millgate usr/lib/systemd/system/millgate.service usr/lib/systemd/system/millgate-pull.service usr/lib/systemd/system/millgate-pull.timer; do
    [ ! -e "$1/$file" ] || { mkdir -p "$1/usr/lib/.millgate-was/$(dirname "$file")" && cp -p "$1/$file" "$1/usr/lib/.millgate-was/$file"; }
  done
}

# keep_or_return ROOT NAME LOOKS PAUSE: looks so often whether readings flow, PAUSE seconds apart. If they do, what is left of the program NAME goes and
# the new one is kept; else NAME is put in its place again and started, and the answer is 1.
keep_or_return() {
  looks=1
  until flows; do
    if [ "$looks" -ge "$3" ]; then
      ln -s "$2" "$1/usr/lib/.millgate-link"
      mv -T "$1/usr/lib/.millgate-link" "$1/usr/lib/millgate"
      cp -rp "$1/usr/lib/.millgate-was/usr" "$1/"
      systemctl daemon-reload
      systemctl restart millgate.service
      rm -rf "$1/usr/lib/.millgate-was"
      return 1
    fi
    sleep "$4"
    looks=$((looks + 1))
  done
  rm -rf "$1/usr/lib/.millgate-was" "$1/usr/lib/${2:?}"
}
