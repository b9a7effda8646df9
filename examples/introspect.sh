#!/bin/sh
# Records facts about this computer in worlds: /home/env/os, disk, memory, network and processes. Of each
# process it records user, id, CPU, memory and command name, never the arguments, which may contain
# secrets. It needs curl and the usual tools of Linux or macOS.
#
#   curl -s 'http://localhost:3005/usr/bin/introspect.sh?raw' | sh
#   sh examples/introspect.sh
#
# ELASTIK_URL    the server; default: http://localhost, port ELASTIK_PORT
# ELASTIK_PORT   default: the value in .env of the working folder, otherwise 3005
# ELASTIK_TOKEN  a token that can write below /home/env; a server without tokens needs none
# ENV_PREFIX     the collection to write to; default: /home/env
#
# Exit codes: 0 every world was written, 1 the server refused one, 2 curl is missing, 3 the server cannot
# be reached.
set -eu
LC_ALL=C
export LC_ALL

# The last line of .env that sets ELASTIK_PORT counts, as it does for the server.
port_in_env_file() {
  [ -r .env ] || return 0
  sed -n 's/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}ELASTIK_PORT[[:space:]]*=[[:space:]]*["'\''`]\{0,1\}\([0-9]\{0,5\}\)["'\''`]\{0,1\}[[:space:]]*\(#.*\)\{0,1\}$/\2/p' .env | tail -n 1
}
port=${ELASTIK_PORT-$(port_in_env_file)}
url=${ELASTIK_URL:-http://localhost:${port:-3005}}
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

# The source of a network mount can contain a user name and a password before its @.
disk() { df -P -k 2>/dev/null | sed 's#//[^/@ ]*@#//***@#g'; }

memory() {
  if [ -r /proc/meminfo ]; then
    sed -n '/^\(MemTotal\|MemFree\|MemAvailable\|Buffers\|Cached\|SwapTotal\|SwapFree\):/p' /proc/meminfo
  elif has vm_stat; then
    printf 'hw.memsize: %s\n' "$(sysctl -n hw.memsize 2>/dev/null || echo '?')"
    vm_stat
  else
    say 'not available'
  fi
}

# Interfaces with their IP addresses, the default route and the name servers; no hardware addresses.
network() {
  if has ip; then
    ip -brief address show
    ip route show default
  elif has ifconfig; then
    ifconfig -a | sed -n '/^[^[:space:]]/s/:.*//p; s/^[[:space:]]*\(inet6\{0,1\} [^ ]*\).*/  \1/p'
    if has netstat; then netstat -rn 2>/dev/null | sed -n '/^default/p'; fi
  else
    say 'not available'
  fi
  if [ -r /etc/resolv.conf ]; then sed -n '/^nameserver /p' /etc/resolv.conf; fi
}

processes() {
  ps -eo user,pid,pcpu,pmem,comm 2>/dev/null || ps -o user,pid,comm
}

# Writes one world. The token goes through a pipe, so that it is not in the list of processes.
write() {
  answer=$({
    printf 'silent\nshow-error\nmax-time = 60\nrequest = "PUT"\n'
    printf 'header = "Content-Type: text/plain"\nheader = "X-Meta-Source: introspect"\n'
    if [ -n "${ELASTIK_TOKEN:-}" ]; then
      printf 'header = "Authorization: Bearer %s"\n' "$(quoted "$ELASTIK_TOKEN")"
    fi
    printf 'data-binary = "@%s"\nurl = "%s"\n' "$(quoted "$folder/$1")" "$(quoted "$url$prefix/$1?ext=txt")"
  } | curl --config - --write-out '\n%{http_code}' 2>&1) ||
    stop 3 "Cannot reach ${url}: ${answer%"$newline"*}; start the server or set ELASTIK_URL"
  status=${answer##*"$newline"}
  case $status in
  200 | 201) say "${url}${prefix}/$1" ;;
  401 | 403) stop 1 "Cannot write ${prefix}/$1: ${answer%"$newline"*}; set ELASTIK_TOKEN to a token that can write there" ;;
  *) stop 1 "Cannot write ${prefix}/$1: ${status} ${answer%"$newline"*}" ;;
  esac
}

main() {
  has curl || stop 2 'Cannot write worlds: curl is not installed; install it'
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  for fact in os disk memory network processes; do
    # A tool that fails does not prevent the other facts.
    "$fact" >"$folder/$fact" 2>/dev/null </dev/null || true
    [ -s "$folder/$fact" ] || say 'not available' >"$folder/$fact"
    write "$fact"
  done
}

# The call is the last line, so that a script that arrived only in part does nothing.
main
