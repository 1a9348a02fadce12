#!/usr/bin/env bash
# Runs exchangelib against the embedded Exchange, then validates every message that was exchanged.
# Usage: exchangelib.sh [PIMSYNC]   PIMSYNC defaults to target/debug/pimsync.
# VENV names a folder for the virtual environment (default: a temporary one). VALIDATE_SOAP names a program that takes
# a folder of SOAP messages and fails when one of them breaks the EWS schema; without it that part is left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pimsync=${1:-$here/../../target/debug/pimsync}
work=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap stop EXIT

venv=${VENV:-$work/venv}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" --quiet install 'exchangelib==5.6.0'
fi

"$pimsync" demo-server --messages 60 --record "$work/record" --users demo@example.org,team@example.org,boss@example.org,far@example.org \
  --share team@example.org:demo@example.org:owner --share boss@example.org:demo@example.org:reviewer --archives demo@example.org \
  --impersonators demo@example.org >"$work/out" &
server=$!
for _ in $(seq 100); do
  [ "$(wc -l <"$work/out")" -ge 2 ] && break
  kill -0 "$server" || { echo "exchangelib.sh: the server did not start" >&2; exit 1; }
  sleep 0.1
done
url=$(sed -n 1p "$work/out")
read -r address password <<<"$(sed -n 2p "$work/out")"
for script in mail kinds calendar notifications; do
  PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/exchangelib_$script.py" "$url" "$address" "$password"
done
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/exchangelib_shared.py" "$url" "$address" "$password" team@example.org boss@example.org far@example.org

if [ -z "${VALIDATE_SOAP:-}" ]; then
  echo "exchangelib.sh: VALIDATE_SOAP is not set, the messages were not validated"
  exit 0
fi
# Exchange wraps this answer in ResponseMessages, which its own schema does not have.
rm -f "$work"/record/*-GetUserConfiguration-response.xml
# Exchange tells lost subscriptions in a namespace that is not its schema's.
grep -l '<m:ErrorSubscriptionIds>' "$work"/record/*-GetStreamingEvents-response.xml | xargs -r rm -f
"$VALIDATE_SOAP" "$work/record"
