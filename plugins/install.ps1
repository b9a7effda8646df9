#Requires -Version 5.1
# Installs plugins on a running server: checks both tokens, stores each source (T2), shows what it requests, approves it
# (T3), and checks that it is up. A plugin that is refused leaves what was there before. Needs only curl.
#
#   plugins\install.ps1 <name>
#   plugins\install.ps1 primitives [-WithSemantic]
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
param([Parameter(ValueFromRemainingArguments = $true)][string[]]$Words, [switch]$WithSemantic)
$ErrorActionPreference = 'Stop'

$folder = $PSScriptRoot
$envFile = if (Test-Path -PathType Leaf '.env') { '.env' } else { "${folder}/../.env" }
# Reads a setting of .env as the server does: the last line counts, and quotes or a comment are removed.
function Get-InEnvFile($name) { # ReadAllText understands a byte order mark and UTF-16
  if (-not (Test-Path -PathType Leaf $envFile)) { return '' }
  $start = '^\s*(?:export\s+)?' + $name + '\s*=\s*'
  $lines = [IO.File]::ReadAllText((Resolve-Path $envFile).Path) -split '\r\n|\n|\r'
  $found = @($lines | Where-Object { $_ -cmatch $start } | Select-Object -Last 1)
  if (-not $found.Count) { return '' }
  $value = $found[0] -creplace $start, ''
  if ($value -match '^(["''`])(.*?)\1') { $Matches[2] } else { ($value -replace '#.*$', '').Trim() }
}
$port = if (Test-Path 'Env:ELASTIK_PORT') { $env:ELASTIK_PORT } else { Get-InEnvFile 'ELASTIK_PORT' }
if (-not $port) { $port = '3005' }
$url = if ($env:ELASTIK_URL) { $env:ELASTIK_URL } else { "http://localhost:${port}" }
$url = $url.TrimEnd('/')
$at = try { ([Uri]$url).Host } catch { '' }
$isLocal = $at -in 'localhost', '127.0.0.1', '[::1]'
$token = "$env:ELASTIK_TOKEN"; $approve = "$env:ELASTIK_APPROVE_TOKEN"
$primitives = 'gpu fstab db fanout'
$installed = ''; $left = ''
$resolved = ''
$newline = "`n"

function Say($text) { Write-Output $text }
# Prints the reason and what to do, and ends with an exit code.
function Stop-With($code, $text) {
  [Console]::Error.WriteLine($text)
  if ($installed) { [Console]::Error.WriteLine("Installed before that:${installed}") }
  exit $code
}

# Sends a request and sets status and body. Secrets go through a pipe, not into the list of processes.
function Ask($method, $path, $credential, $header, $content) {
  $options = @('--silent', '--show-error', '--max-time', '60', '--request', $method, '--write-out', '\n%{http_code}')
  if ($content) { $options += @('--data-binary', $content) }
  # A proxy in the environment must not see the requests to this computer.
  if ($isLocal) { $options += @('--noproxy', '*') }
  if ($resolved) { $options += @('--resolve', $resolved) }
  $settings = @()
  if ($credential) {
    $settings += 'header = "Authorization: Bearer ' + (Quoted $credential) + '"'
  }
  if ($header) { $settings += 'header = "' + (Quoted $header) + '"' }
  $answer = (($settings + '') | & $curl $options --config - "${url}${path}") -join $newline
  if ($LASTEXITCODE -ne 0) {
    $why = "curl ended with ${LASTEXITCODE}"
    Stop-With 3 "Cannot reach ${url}: ${why}; start the server (deno task start), or set ELASTIK_URL to its URL${left}"
  }
  $script:status = $answer.Substring($answer.LastIndexOf($newline) + 1)
  $script:body = $answer.Substring(0, [Math]::Max(0, $answer.LastIndexOf($newline)))
}
# Whether the server at the URL proves that it holds this data folder. It answers a random challenge with
# a code that covers the address and port on which it listens: a program that passes the challenge on
# listens elsewhere. Sets resolved, so that later requests go to that address.
function Test-Holds($data) {
  if (-not $isLocal -or -not (Test-Path -PathType Leaf "${data}/.proof-key")) { return $false }
  $bytes = New-Object byte[] 32
  [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
  $challenge = -join ($bytes | ForEach-Object { $_.ToString('x2') })
  $head = & $curl --silent --head --max-time 10 --noproxy '*' --header "X-Elastik-Challenge: ${challenge}" "${url}/auth/whoami"
  if (($head -join $newline) -notmatch '(?im)^x-elastik-proof: (\S+) (\d+) ([0-9a-f]{64})\s*$') { return $false }
  $listens = $Matches[1]; $number = $Matches[2]; $code = $Matches[3]
  $key = [Text.Encoding]::ASCII.GetBytes((Get-Content -Raw "${data}/.proof-key").Trim())
  $text = "elastik-proof`n${challenge}`n${listens}`n${number}`n"
  $hmac = New-Object Security.Cryptography.HMACSHA256 (, $key)
  $own = -join ($hmac.ComputeHash([Text.Encoding]::ASCII.GetBytes($text)) | ForEach-Object { $_.ToString('x2') })
  if ($own -cne $code -or $number -ne "$(([Uri]$url).Port)") { return $false }
  $to = if ($listens -eq '0.0.0.0') { '127.0.0.1' } elseif ($listens -eq '::') { '::1' } else { $listens }
  if ($at -eq 'localhost') { $script:resolved = "localhost:${number}:${to}"; return $true }
  if ($at -eq '127.0.0.1') { return $listens -in '127.0.0.1', '0.0.0.0', '::' }
  return $listens -in '::1', '::'
}
function Quoted($text) { $text -replace '([\\"])', '\$1' }
# The detail of a problem, without the rest of its JSON.
function Get-Words($text) {
  try { $detail = ($text | ConvertFrom-Json).detail } catch { $detail = $null }
  if ($detail) { $detail } else { $text }
}

# Puts back what was under the name before its source was stored, and sets outcome to the end of a message.
# A plugin is approved again only if it asks for exactly what it had.
function Restore-Earlier {
  if (-not $was) {
    Ask DELETE "/lib/${name}" $approve ('If-Match: "' + $version + '"') ''
    $script:outcome = "${name} was removed again"
    if ($status -ne '200') { $script:outcome = "${name} is stored but not active, DELETE ${url}/lib/${name} removes it" }
    return
  }
  Ask PUT "/lib/${name}?from=${was}" $token ('If-Match: "' + $version + '"') ''
  $script:outcome = "${name} is stored but not active, and version ${was} cannot be restored: $(Get-Words $body)"
  if ($status -ne '200') { return }
  $script:outcome = "version ${was} of ${name} is stored again"
  $change = $state
  if ($state -eq 'active') {
    $script:outcome = "${outcome} but not active, PUT active to ${url}/lib/${name}/state approves it"
    $change = '{"state":"active","asks":"' + $digest + '"}'
    if (-not $digest) { return }
  }
  if ($state -eq 'pending') { return }
  Send-State '' $change
  if ($status -eq '200') { $script:outcome = "version ${was} of ${name} is ${state} again" }
}
function Send-State($header, $content) { # old versions of PowerShell drop quotes in arguments
  $file = [IO.Path]::GetTempFileName()
  [IO.File]::WriteAllText($file, $content)
  Ask PUT "/lib/${name}/state" $approve $header "@${file}"
  Remove-Item $file
}

# 1. Read the command line
if (-not $Words -and -not $WithSemantic) { Stop-With 2 "Cannot install: no plugin was given; name one, or primitives [-WithSemantic]" }
$names = ''; $semantic = [bool]$WithSemantic
foreach ($word in $Words) {
  switch -CaseSensitive -Regex ($word) {
    '^primitives$' { $names = "${names} ${primitives}"; break }
    '^--with-semantic$' { $semantic = $true; break }
    '^(?![A-Za-z0-9_][A-Za-z0-9_-]*$)' { Stop-With 2 "Cannot install ${word}: it is not a valid plugin name; name one, or primitives [-WithSemantic]" }
    default { $names = "${names} ${word}" }
  }
}
if ($semantic) { $names = "${names} semantic" }

# 2. Check that every source exists before the first one is stored
$missing = ''
foreach ($name in $names.Trim().Split(' ')) {
  if (-not (Test-Path -PathType Leaf "${folder}/${name}.ts")) { $missing = "${missing} ${name}.ts" }
}
if ($missing) { Stop-With 2 "Cannot install${names}: not found in ${folder}:${missing}; nothing was installed" }
$curl = Get-Command curl -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
if (-not $curl) { Stop-With 2 "Cannot install${names}: curl is not installed; install it, no plugin was installed" }

# 3. Find the server. Tokens of files go only to the server that proves that it holds the data folder
$held = ''
$dataSetting = if ($env:ELASTIK_DATA) { $env:ELASTIK_DATA } else { Get-InEnvFile 'ELASTIK_DATA' }
if (-not $env:ELASTIK_URL -or -not $token -or -not $approve) {
  foreach ($data in @($dataSetting, 'data', "${folder}/../data")) {
    if ($data -and (Test-Holds $data)) { $held = $data; break }
  }
}
if ($held) {
  if (-not (Test-Path 'Env:ELASTIK_TOKEN')) { $token = Get-InEnvFile 'ELASTIK_TOKEN' }
  if (-not (Test-Path 'Env:ELASTIK_APPROVE_TOKEN')) { $approve = Get-InEnvFile 'ELASTIK_APPROVE_TOKEN' }
} elseif (-not $env:ELASTIK_URL) {
  foreach ($data in @($dataSetting, 'data')) {
    if ($data -and (Test-Path -PathType Leaf "${data}/.proof-key")) {
      Ask GET /auth/whoami '' '' ''
      Stop-With 2 "Cannot install${names}: ${url} is not the server of ${data}; start that server, or set ELASTIK_URL and the tokens to use another one, nothing was installed"
    }
  }
}
Ask GET /proc/status $(if ($token) { $token } else { $approve }) 'Accept: text/plain' ''
if ($status -ne '200') { Stop-With 1 "Cannot install${names}: ${url} answers ${status} to GET /proc/status: $(Get-Words $body); set ELASTIK_TOKEN to the server's T2 token" }
if (-not $approve -and $held -and (Test-Path "${held}/.approve-token")) {
  $stored = (Get-Content -Raw "${held}/.approve-token").Trim()
  # A server with ELASTIK_APPROVE_TOKEN refuses the token that it generated before.
  Ask GET /auth/whoami $stored '' ''
  if ($status -eq '200' -and $body.Contains('"tier":"T3"')) {
    $approve = $stored
    Say "Using the approve token that the server stores in ${held}/.approve-token"
  }
}
if (-not $approve) { Stop-With 2 "Cannot approve${names}: ELASTIK_APPROVE_TOKEN is not set; set it to the server's T3 token, nothing was installed" }

# 4. Check both tokens before anything is changed: a source that is stored stops its active plugin
Ask GET /auth/whoami $token '' ''
if ($status -ne '200' -or -not ($body.Contains('"tier":"T2"') -or $body.Contains('"tier":"T3"'))) {
  if ($status -eq '200') { Stop-With 1 "Cannot store${names}: the token has tier T1, T2 is required; set ELASTIK_TOKEN to the server's T2 token, nothing was installed" }
  Stop-With 1 "Cannot store${names}: $(Get-Words $body); set ELASTIK_TOKEN to the server's T2 token, nothing was installed"
}
Ask GET /auth/whoami $approve '' ''
if ($status -ne '200' -or -not $body.Contains('"tier":"T3"')) {
  if ($status -eq '200') { Stop-With 1 "Cannot approve${names}: the token has a lower tier, T3 is required; set ELASTIK_APPROVE_TOKEN to the server's T3 token, nothing was installed" }
  Stop-With 1 "Cannot approve${names}: $(Get-Words $body); set ELASTIK_APPROVE_TOKEN to the server's T3 token, nothing was installed"
}

foreach ($name in $names.Trim().Split(' ')) {
  # 5. Read what is there. If it is active, evaluate the new source under another name: storing it stops the plugin
  Ask GET "/lib/${name}/state" $approve '' ''
  $was = ''; $state = ''; $digest = ''; $condition = 'If-None-Match: *'
  switch ($status) {
    '200' {
      $found = $body | ConvertFrom-Json
      $was = "$($found.version)"; $state = $found.state
      $condition = 'If-Match: "' + $was + '"'
      break
    }
    '404' { break }
    default { Stop-With 1 "Cannot store ${name}: ${status} $(Get-Words $body)" }
  }
  if ($state -eq 'active') {
    Ask GET "/lib/${name}/state?asks" $approve '' ''
    if ($status -eq '200') {
      $found = $body | ConvertFrom-Json
      $granted = ConvertTo-Json -Compress $found.permissions
      $requested = ConvertTo-Json -Compress $found.asks.permissions
      if ($granted -ceq $requested) { $digest = $found.asks.digest }
    }
    Ask POST "/lib/?check&name=${name}" $approve '' "@${folder}/${name}.ts"
    if ($status -ne '200') { Stop-With 1 "Cannot approve ${name}: $(Get-Words $body); correct ${folder}/${name}.ts and run this again, version ${was} is still active" }
  }

  # 6. Store the source, unless another program has changed it since
  Ask PUT "/lib/${name}?ext=ts" $token $condition "@${folder}/${name}.ts"
  switch ($status) {
    { $_ -in '200', '201' } { break }
    { $_ -in '401', '403' } { Stop-With 1 "Cannot store ${name}: $(Get-Words $body); set ELASTIK_TOKEN to the server's T2 token" }
    default { Stop-With 1 "Cannot store ${name}: ${status} $(Get-Words $body)" }
  }
  $version = ($body | ConvertFrom-Json).version
  $left = "; ${name} is stored but may not be active, run this again"
  Say "Stored ${name} as ${url}/lib/${name}, version ${version}"

  # 7. Show what it requests
  Ask GET "/lib/${name}/state?asks" $approve '' ''
  if ($status -ne '200') {
    $why = Get-Words $body
    Restore-Earlier
    Stop-With 1 "Cannot approve ${name}: ${why}; correct ${folder}/${name}.ts and run this again, ${outcome}"
  }
  Say "It requests:"
  foreach ($field in ($body | ConvertFrom-Json).asks.PSObject.Properties) {
    Say ('  "' + $field.Name + '":' + (ConvertTo-Json -Compress -Depth 9 $field.Value))
  }

  # 8. Approve exactly what was shown
  $asks = ($body | ConvertFrom-Json).asks.digest
  Send-State ('If-Match: "' + $version + '"') ('{"state":"active","asks":"' + $asks + '"}')
  if ($status -ne '200') {
    $why = Get-Words $body
    Restore-Earlier
    Stop-With 1 "Cannot activate ${name}: ${why}; ${outcome}"
  }

  # 9. Check that it is up
  $fallback = ($body | ConvertFrom-Json).fallback
  Ask GET /bin $approve 'Accept: application/json' ''
  if (-not $fallback -and -not (@($body | ConvertFrom-Json | ForEach-Object { $_ } | Where-Object { $_.plugin -eq "/lib/${name}" }).Count)) {
    Stop-With 1 "Cannot find ${name} in ${url}/bin, though it was activated; ${url}/lib/${name}/state shows the reason"
  }
  Say "Activated ${name}"
  $installed = "${installed} ${name}"; $left = ''
}
Say "All plugins are up: ${url}/bin lists the routes"
exit 0
