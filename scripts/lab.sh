# shellcheck shell=bash
# What the scripts that work on the virtual machine have in common; sourced by them, from the project's root.
# LAB_DIR names the folder of the machine, default ../shared/lab.

# lab_begin NAME TOOL...: finds the machine and the tools it needs, and builds the program where it is not built.
lab_begin() {
  lab_who=$1
  shift
  lab=${LAB_DIR:-../shared/lab}
  [ -x "$lab/vm.sh" ] ||
    { echo "$lab_who: $lab/vm.sh is not there. Set LAB_DIR to the folder of the virtual machine." >&2; exit 1; }
  local tool
  for tool in qemu-system-x86_64 "$@"; do
    command -v "$tool" >/dev/null || { echo "$lab_who: $tool is missing. Install it: apt-get install qemu-system-x86 nbdkit socat python3" >&2; exit 1; }
  done
  lab=$(cd "$lab" && pwd)
  [ -f dist/src/store/thread/worker.js ] || npm run --silent build
  stage=$(mktemp -d)
  lab_began=
  trap lab_end EXIT
}

# lab_end: stops what was started here, and only that; a script that started more says so in lab_also_end.
lab_end() {
  if declare -F lab_also_end >/dev/null; then lab_also_end; fi
  if [ -n "$lab_began" ]; then "$lab/vm.sh" stop >/dev/null || true; fi
  rm -rf "$stage"
}

# lab_stage PATH...: the program, the packages it needs at run time, and these files, in $stage.
lab_stage() {
  # Tests as another user look in here too.
  chmod 755 "$stage"
  cp -r dist package.json "$stage/"
  tar -cf - "$@" | tar -xf - -C "$stage"
  npm ls --omit=dev --all --parseable 2>/dev/null | sed -n "s|^$PWD/||p" | sort -u | tar -chf - -T - | tar -xf - -C "$stage"
}

# lab_guest COMMAND: runs it in the machine, once more where the connection was lost (255 is the code of ssh itself).
lab_guest() {
  local code=0
  "$lab/vm.sh" ssh "$1" </dev/null || code=$?
  [ "$code" = 255 ] || return "$code"
  echo "$lab_who: the connection to the machine was lost; the same once more …" >&2
  "$lab/vm.sh" ssh "$1" </dev/null
}

# lab_mount: on a busy host the machine is up late and gives up waiting for its second disk; it is mounted once ssh answers.
lab_mount() {
  echo "$lab_who: not up in 60 s; helping with the disk …" >&2
  local attempt
  for attempt in $(seq 60); do
    timeout 30 "$lab/vm.sh" ssh 'mountpoint -q /data || systemctl restart data.mount' </dev/null && return
    sleep 4
  done
  echo "$lab_who: the machine does not answer after $attempt attempts. Look into it: vm.sh console 'systemctl list-jobs'" >&2
  exit 1
}

# lab_start OPTION...: a fresh machine, with $stage as /opt/millgate in it.
lab_start() {
  "$lab/vm.sh" status >/dev/null && { echo "$lab_who: the virtual machine is in use. Stop it first: vm.sh stop" >&2; exit 1; }
  lab_began=1
  echo "$lab_who: starting the machine …" >&2
  LAB_BOOT_S=60 "$lab/vm.sh" start --fresh "$@" || lab_mount
  # A busy host lets the machine miss its signs of life, and ssh hangs up.
  local attempt
  for attempt in 1 2 3; do
    "$lab/vm.sh" push "$stage" /opt/millgate && break
    [ "$attempt" -lt 3 ] || { echo "$lab_who: the program could not be copied into the machine in $attempt attempts" >&2; exit 1; }
  done
  lab_guest sync
}
