#!/bin/sh
# Installs plugins on a running server: checks both tokens, stores each source (T2), shows what it requests, approves it
# (T3), and checks that it is up. A plugin that is refused leaves what was there before. Needs only curl.
#
#   plugins/install.sh <name>
#   plugins/install.sh primitives [--with-semantic]
#
# ELASTIK_URL            URL of the server; if unset, http://localhost with ELASTIK_PORT
# ELASTIK_PORT           port of the server; if unset, the value in .env, else 3005
# ELASTIK_TOKEN          T2 token; if unset, the value in .env; not needed if the server has none
# ELASTIK_APPROVE_TOKEN  T3 token; if unset, the value in .env, else the one that a server on this computer
#                        generated in its data folder
#
# .env is the file in the working folder, else the one next to plugins/. Its tokens, and the stored one,
# are sent only to a server that proves that it holds the data folder (ELASTIK_DATA, else data). Set
# ELASTIK_URL and the tokens in the environment to send them to any other server.
#
# Exit codes: 0 every plugin is up, 1 the server refused a token or a plugin, 2 wrong usage, a missing file or a
# missing token (nothing was installed), 3 the server cannot be reached.
set -eu

folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
env_file=.env
[ -r "$env_file" ] || env_file="${folder}/../.env"
env_text() { # in UTF-8 with LF, without a byte order mark: the server understands UTF-16 and CRLF too
  [ -r "$env_file" ] && [ -f "$env_file" ] || return 0
  case $(od -An -N2 -tx1 "$env_file" | tr -d ' \n') in
  fffe | feff) iconv -f UTF-16 -t UTF-8 "$env_file" ;;
  *) cat "$env_file" ;;
  esac | tr -d '\r' | LC_ALL=C sed "1s/^$(printf '\357\273\277')//"
}
# Reads a setting of .env as the server does: the last line counts, and quotes or a comment are removed.
in_env_file() {
  env_text |
    sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" | tail -n 1 |
    sed -e 's/^"\([^"]*\)".*$/\1/' -e t -e "s/^'\([^']*\)'.*$/\1/" -e t -e "s/^\`\([^\`]*\)\`.*$/\1/" -e t \
      -e 's/#.*$//' -e 's/[[:space:]]*$//'
}
port=${ELASTIK_PORT-$(in_env_file ELASTIK_PORT)}
url=${ELASTIK_URL:-http://localhost:${port:-3005}}
url=${url%/}
host=${url#*://}
host=${host%%[/?#]*}
host=${host##*@}
case $host in localhost | localhost:* | 127.0.0.1 | 127.0.0.1:* | '[::1]' | '[::1]:'*) is_local=yes ;; *) is_local='' ;; esac
token=${ELASTIK_TOKEN-} approve=${ELASTIK_APPROVE_TOKEN-}
primitives='gpu fstab db fanout'
installed='' left=''
resolved=''
newline='
'

say() { printf '%s\n' "$1"; }
# Prints the reason and what to do, and ends with an exit code.
stop() {
  printf '%s\n' "$2" >&2
  if [ -n "${installed}" ]; then printf '%s\n' "Installed before that:${installed}" >&2; fi
  exit "$1"
}

# Sends a request and sets status and body. Secrets go through a pipe, not into the list of processes.
ask() {
  method=$1 path=$2 credential=$3 header=$4 content=$5
  set -- --silent --show-error --max-time 60 --request "$method" --write-out '\n%{http_code}'
  if [ -n "$content" ]; then set -- "$@" --data-binary "$content"; fi
  # A proxy in the environment must not see the requests to this computer.
  if [ -n "$is_local" ]; then set -- "$@" --noproxy '*'; fi
  if [ -n "$resolved" ]; then set -- "$@" --resolve "$resolved"; fi
  answer=$({
    if [ -n "$credential" ]; then
      printf 'header = "Authorization: Bearer %s"\n' "$(quoted "$credential")"
    fi
    if [ -n "$header" ]; then printf 'header = "%s"\n' "$(quoted "$header")"; fi
  } | curl "$@" --config - "${url}${path}" 2>&1) || {
    why=${answer%"$newline"*}
    stop 3 "Cannot reach ${url}: ${why}; start the server (deno task start), or set ELASTIK_URL to its URL${left}"
  }
  status=${answer##*"$newline"}
  body=${answer%"$newline"*}
}
hmac() { # HMAC-SHA256; the key has 64 hexadecimal digits, one block, which tr combines with the pads of RFC 2104
  inner=$({ printf '%s' "$1" | tr 0123456789abcdef '\006\007\004\005\002\003\000\001\016\017WTURSP'
    printf '%s' "$2"; } | sha256)
  { printf '%s' "$1" | tr 0123456789abcdef 'lmnohijkde=>?89:'
    rest=$inner
    while [ -n "$rest" ]; do
      pair=${rest%"${rest#??}"} rest=${rest#??}
      printf '%b' "\\0$(printf '%03o' "0x${pair}")"
    done; } | sha256
}
sha256() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256
  else openssl dgst -sha256 -r; fi | cut -c1-64
}
# Whether the server at the URL proves that it holds this data folder. It answers a random challenge with
# a code that covers the address and port on which it listens: a program that passes the challenge on
# listens elsewhere. Sets resolved, so that later requests go to that address.
holds() {
  [ -n "$is_local" ] && [ -r "$1/.proof-key" ] || return 1
  secret=$(tr -d '[:space:]' <"$1/.proof-key")
  [ ${#secret} = 64 ] || return 1
  challenge=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  proof=$(curl --silent --head --max-time 10 --noproxy '*' --header "X-Elastik-Challenge: ${challenge}" \
    "${url}/auth/whoami" | tr -d '\r' | sed -n 's/^[Xx]-[Ee]lastik-[Pp]roof: //p' | head -n 1)
  case $proof in *' '*' '*) ;; *) return 1 ;; esac
  listens=${proof%% *} code=${proof##* } number=${proof#* }
  number=${number%% *}
  [ "$code" = "$(hmac "$secret" "elastik-proof${newline}${challenge}${newline}${listens}${newline}${number}${newline}")" ] || return 1
  case $host in *:[0-9]*[!]]) own_port=${host##*:} ;; *) own_port='' ;; esac
  case $url in https://*) scheme_port=443 ;; *) scheme_port=80 ;; esac
  [ "$number" = "${own_port:-$scheme_port}" ] || return 1
  case $listens in 0.0.0.0) at=127.0.0.1 ;; ::) at=::1 ;; *) at=$listens ;; esac
  case $host in
  localhost | localhost:*) resolved="localhost:${number}:${at}" ;;
  127.0.0.1 | 127.0.0.1:*) case $listens in 127.0.0.1 | 0.0.0.0 | ::) ;; *) return 1 ;; esac ;;
  *) case $listens in ::1 | ::) ;; *) return 1 ;; esac ;;
  esac
}
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
# The detail of a problem, without the rest of its JSON.
words() {
  case $1 in
  *'"detail":"'*) printf '%s' "$1" | sed 's/.*"detail":"//; s/"[,}].*//; s/\\"/"/g' ;;
  *) printf '%s' "$1" ;;
  esac
}

# Puts back what was under the name before its source was stored, and sets outcome to the end of a message.
# A plugin is approved again only if it asks for exactly what it had.
restore() {
  if [ -z "$was" ]; then
    ask DELETE "/lib/${name}" "$approve" "If-Match: \"${version}\"" ''
    outcome="${name} was removed again"
    [ "$status" = 200 ] || outcome="${name} is stored but not active, DELETE ${url}/lib/${name} removes it"
    return
  fi
  ask PUT "/lib/${name}?from=${was}" "$token" "If-Match: \"${version}\"" ''
  outcome="${name} is stored but not active, and version ${was} cannot be restored: $(words "$body")"
  [ "$status" = 200 ] || return 0
  outcome="version ${was} of ${name} is stored again"
  change=$state
  if [ "$state" = active ]; then
    outcome="${outcome} but not active, PUT active to ${url}/lib/${name}/state approves it"
    change="{\"state\":\"active\",\"asks\":\"${digest}\"}"
    [ -n "$digest" ] || return 0
  fi
  [ "$state" != pending ] || return 0
  ask PUT "/lib/${name}/state" "$approve" '' "$change"
  [ "$status" != 200 ] || outcome="version ${was} of ${name} is ${state} again"
}

# 1. Read the command line
[ $# -gt 0 ] || stop 2 "Cannot install: no plugin was given; name one, or primitives [--with-semantic]"
names='' semantic=no
for word in "$@"; do
  case $word in
  primitives) names="${names} ${primitives}" ;;
  --with-semantic) semantic=yes ;;
  '' | *[!A-Za-z0-9_-]* | -*) stop 2 "Cannot install ${word}: it is not a valid plugin name; name one, or primitives [--with-semantic]" ;;
  *) names="${names} ${word}" ;;
  esac
done
[ $semantic = no ] || names="${names} semantic"

# 2. Check that every source exists before the first one is stored
missing=''
for name in $names; do
  [ -f "${folder}/${name}.ts" ] || missing="${missing} ${name}.ts"
done
[ -z "${missing}" ] || stop 2 "Cannot install${names}: not found in ${folder}:${missing}; nothing was installed"
command -v curl >/dev/null 2>&1 || stop 2 "Cannot install${names}: curl is not installed; install it, no plugin was installed"

# 3. Find the server. Tokens of files go only to the server that proves that it holds the data folder
held=''
if [ -z "${ELASTIK_URL-}" ] || [ -z "$token" ] || [ -z "$approve" ]; then
  for data in "${ELASTIK_DATA:-$(in_env_file ELASTIK_DATA)}" data "${folder}/../data"; do
    if [ -z "$data" ] || ! holds "$data"; then continue; fi
    held=$data
    break
  done
fi
if [ -n "$held" ]; then
  token=${ELASTIK_TOKEN-$(in_env_file ELASTIK_TOKEN)}
  approve=${ELASTIK_APPROVE_TOKEN-$(in_env_file ELASTIK_APPROVE_TOKEN)}
elif [ -z "${ELASTIK_URL-}" ]; then
  for data in "${ELASTIK_DATA:-$(in_env_file ELASTIK_DATA)}" data; do
    if [ -n "$data" ] && [ -r "${data}/.proof-key" ]; then
      ask GET /auth/whoami '' '' ''
      stop 2 "Cannot install${names}: ${url} is not the server of ${data}; start that server, or set ELASTIK_URL and the tokens to use another one, nothing was installed"
    fi
  done
fi
ask GET /proc/status "${token:-$approve}" 'Accept: text/plain' ''
[ "$status" = 200 ] || stop 1 "Cannot install${names}: ${url} answers ${status} to GET /proc/status: $(words "$body"); set ELASTIK_TOKEN to the server's T2 token"
if [ -z "$approve" ] && [ -n "$held" ] && [ -r "${held}/.approve-token" ]; then
  stored=$(tr -d '[:space:]' <"${held}/.approve-token")
  # A server with ELASTIK_APPROVE_TOKEN refuses the token that it generated before.
  ask GET /auth/whoami "$stored" '' ''
  case $status$body in
  200*'"tier":"T3"'*)
    approve=$stored
    say "Using the approve token that the server stores in ${held}/.approve-token"
    ;;
  esac
fi
[ -n "$approve" ] || stop 2 "Cannot approve${names}: ELASTIK_APPROVE_TOKEN is not set; set it to the server's T3 token, nothing was installed"

# 4. Check both tokens before anything is changed: a source that is stored stops its active plugin
ask GET /auth/whoami "$token" '' ''
case $status$body in
200*'"tier":"T2"'* | 200*'"tier":"T3"'*) ;;
200*) stop 1 "Cannot store${names}: the token has tier T1, T2 is required; set ELASTIK_TOKEN to the server's T2 token, nothing was installed" ;;
*) stop 1 "Cannot store${names}: $(words "$body"); set ELASTIK_TOKEN to the server's T2 token, nothing was installed" ;;
esac
ask GET /auth/whoami "$approve" '' ''
case $status$body in
200*'"tier":"T3"'*) ;;
200*) stop 1 "Cannot approve${names}: the token has a lower tier, T3 is required; set ELASTIK_APPROVE_TOKEN to the server's T3 token, nothing was installed" ;;
*) stop 1 "Cannot approve${names}: $(words "$body"); set ELASTIK_APPROVE_TOKEN to the server's T3 token, nothing was installed" ;;
esac

for name in $names; do
  # 5. Read what is there. If it is active, evaluate the new source under another name: storing it stops the plugin
  ask GET "/lib/${name}/state" "$approve" '' ''
  was='' state='' digest='' condition='If-None-Match: *'
  case $status in
  200)
    was=$(printf '%s' "$body" | sed -n 's/^{"name":"[^"]*","state":"[a-z]*","version":\([0-9]*\).*/\1/p')
    state=$(printf '%s' "$body" | sed -n 's/^{"name":"[^"]*","state":"\([a-z]*\)".*/\1/p')
    condition="If-Match: \"${was}\""
    ;;
  404) ;;
  *) stop 1 "Cannot store ${name}: ${status} $(words "$body")" ;;
  esac
  if [ "$state" = active ]; then
    ask GET "/lib/${name}/state?asks" "$approve" '' ''
    granted=$(printf '%s' "${body%%\"asks\":\{*}" | sed -n 's/.*\("permissions":{[^}]*}\).*/\1/p')
    requested=$(printf '%s' "${body#*\"asks\":\{}" | sed -n 's/.*\("permissions":{[^}]*}\).*/\1/p')
    [ "$granted" != "$requested" ] || digest=$(printf '%s' "$body" | sed -n 's/.*"digest":"\([0-9a-f]*\)".*/\1/p')
    ask POST "/lib/?check&name=${name}" "$approve" '' "@${folder}/${name}.ts"
    [ "$status" = 200 ] || stop 1 "Cannot approve ${name}: $(words "$body"); correct ${folder}/${name}.ts and run this again, version ${was} is still active"
  fi

  # 6. Store the source, unless another program has changed it since
  ask PUT "/lib/${name}?ext=ts" "${token}" "$condition" "@${folder}/${name}.ts"
  case $status in
  200 | 201) ;;
  401 | 403) stop 1 "Cannot store ${name}: $(words "$body"); set ELASTIK_TOKEN to the server's T2 token" ;;
  *) stop 1 "Cannot store ${name}: ${status} $(words "$body")" ;;
  esac
  version=$(printf '%s' "$body" | sed -n 's/.*"version":\([0-9]*\).*/\1/p')
  left="; ${name} is stored but may not be active, run this again"
  say "Stored ${name} as ${url}/lib/${name}, version ${version}"

  # 7. Show what it requests
  ask GET "/lib/${name}/state?asks" "${approve}" '' ''
  if [ "$status" != 200 ]; then
    why=$(words "$body")
    restore
    stop 1 "Cannot approve ${name}: ${why}; correct ${folder}/${name}.ts and run this again, ${outcome}"
  fi
  say "It requests:"
  printf '%s\n' "$body" | sed 's/.*"asks":{//; s/}}*$//' |
    awk 'NF { gsub(/,"(auth|config|configured|description|digest|fallback|fault|grants|patience|permissions|subject)":/, "\n&"); print }' |
    sed 's/^,//; s/^/  /'

  # 8. Approve exactly what was shown
  asks=$(printf '%s' "$body" | sed -n 's/.*"digest":"\([0-9a-f]*\)".*/\1/p')
  ask PUT "/lib/${name}/state" "${approve}" "If-Match: \"${version}\"" "{\"state\":\"active\",\"asks\":\"${asks}\"}"
  if [ "$status" != 200 ]; then
    why=$(words "$body")
    restore
    stop 1 "Cannot activate ${name}: ${why}; ${outcome}"
  fi

  # 9. Check that it is up
  case $body in *'"fallback":true'*) fallback=yes ;; *) fallback=no ;; esac
  ask GET /bin "${approve}" 'Accept: application/json' ''
  case $body in
  *"\"plugin\":\"/lib/${name}\""*) ;;
  *) [ $fallback = yes ] || stop 1 "Cannot find ${name} in ${url}/bin, though it was activated; ${url}/lib/${name}/state shows the reason" ;;
  esac
  say "Activated ${name}"
  installed="${installed} ${name}" left=''
done
say "All plugins are up: ${url}/bin lists the routes"
