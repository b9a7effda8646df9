#!/bin/sh
# Writes what the computer it runs on is and does into worlds: /home/env/os, disk, memory, network and
# processes. Of processes it tells user, number, shares and the command's name, never its arguments,
# which may hold secrets. Needs curl, and what Linux or macOS have anyway.
#
#   curl -s 'http://localhost:3005/usr/bin/introspect.sh?raw' | sh
#
# ELASTIK_URL    the machine, http://localhost:3005 unless set
# ELASTIK_TOKEN  what it takes to write below /home/env; an open machine needs none
# ENV_PREFIX     where to write, /home/env unless set
#
# Ends with 0 when every world was written, 1 when one was refused, 2 when curl is missing, 3 when the
# machine cannot be reached.
set -eu
LC_ALL=C
export LC_ALL

url=${ELASTIK_URL:-http://localhost:${ELASTIK_PORT:-3005}}
url=${url%/}
prefix=${ENV_PREFIX:-/home/env}
prefix=${prefix%/}
newline='
'

say() { printf '%s\n' "$1"; }
stop() {
  printf '%s\n' "$2" >&2
  exit "$1"
}
has() { command -v "$1" >/dev/null 2>&1; }
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }

os() {
  uname -srm
  if [ -r /etc/os-release ]; then
    sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release
  elif has sw_vers; then
    sw_vers
  fi
  printf 'host: %s\n' "$(uname -n)"
  if has getconf; then printf 'processors: %s\n' "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo '?')"; fi
  if has uptime; then uptime; fi
}

# What is mounted from elsewhere may carry a name and a password before its @.
disk() { df -P -k 2>/dev/null | sed 's#//[^/@ ]*@#//***@#g'; }

memory() {
  if [ -r /proc/meminfo ]; then
    sed -n '/^\(MemTotal\|MemFree\|MemAvailable\|Buffers\|Cached\|SwapTotal\|SwapFree\):/p' /proc/meminfo
  elif has vm_stat; then
    printf 'hw.memsize: %s\n' "$(sysctl -n hw.memsize 2>/dev/null || echo '?')"
    vm_stat
  else
    say 'not known here'
  fi
}

# Interfaces with their addresses, the way out, and who resolves names; no keys, no hardware addresses.
network() {
  if has ip; then
    ip -brief address show
    ip route show default
  elif has ifconfig; then
    ifconfig -a | sed -n '/^[^[:space:]]/s/:.*//p; s/^[[:space:]]*\(inet6\{0,1\} [^ ]*\).*/  \1/p'
    if has netstat; then netstat -rn 2>/dev/null | sed -n '/^default/p'; fi
  else
    say 'not known here'
  fi
  if [ -r /etc/resolv.conf ]; then sed -n '/^nameserver /p' /etc/resolv.conf; fi
}

processes() {
  ps -eo user,pid,pcpu,pmem,comm 2>/dev/null || ps -o user,pid,comm
}

# Writes one world. The token goes through a pipe, where no list of processes shows it.
write() {
  answer=$({
    printf 'silent\nshow-error\nmax-time = 60\nrequest = "PUT"\n'
    printf 'header = "Content-Type: text/plain"\nheader = "X-Meta-Source: introspect"\n'
    if [ -n "${ELASTIK_TOKEN:-}" ]; then
      printf 'header = "Authorization: Bearer %s"\n' "$(quoted "$ELASTIK_TOKEN")"
    fi
    printf 'data-binary = "@%s"\nurl = "%s"\n' "$(quoted "$folder/$1")" "$(quoted "$url$prefix/$1?ext=txt")"
  } | curl --config - --write-out '\n%{http_code}' 2>&1) ||
    stop 3 "Cannot reach ${url}: ${answer%"$newline"*}; start the machine, or set ELASTIK_URL to where it is"
  status=${answer##*"$newline"}
  case $status in
  200 | 201) say "${url}${prefix}/$1" ;;
  401 | 403) stop 1 "Cannot write ${prefix}/$1: ${answer%"$newline"*}; set ELASTIK_TOKEN to a token that may" ;;
  *) stop 1 "Cannot write ${prefix}/$1: ${status} ${answer%"$newline"*}" ;;
  esac
}

main() {
  has curl || stop 2 'Cannot write anything: curl is not on this computer; install it'
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  for fact in os disk memory network processes; do
    # What one tool cannot tell must not keep the others from telling.
    "$fact" >"$folder/$fact" 2>/dev/null </dev/null || true
    [ -s "$folder/$fact" ] || say 'not known here' >"$folder/$fact"
    write "$fact"
  done
}

# Last, so that a script that came only in part through its pipe does nothing at all.
main
