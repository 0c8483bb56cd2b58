#!/bin/sh
# Stands for your own smoke test: it succeeds when the service finds both flags on. With SMOKE=fail it fails, to see what
# happens then.
set -eu
for flag in failure_catalog strict_golden; do
  grep -q "\"$flag\": true" flags.json || { echo "$flag is not on"; exit 1; }
done
if [ "${SMOKE:-}" = fail ]; then
  echo "the golden file of order 4711 differs"
  exit 1
fi
echo "both flags are on, the golden files agree"
