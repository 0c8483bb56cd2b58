#!/bin/sh
# What every release must be able to do: ends with 0 when it can. The phase waits for it; when it fails, all goes back.
set -eu
curl --fail --silent --show-error --max-time 10 "$SERVICE_URL/healthz" >/dev/null
