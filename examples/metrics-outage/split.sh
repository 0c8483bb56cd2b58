#!/bin/sh
# The share of the new version, set on and read from the control port of the lab's proxy: LAB_CONTROL is its URL.
set -eu
case "$1" in
  set) curl -fsS -X PUT -d "{\"canary\": $2, \"stable\": $((100 - $2))}" "$LAB_CONTROL/weights" ;;
  get) curl -fsS "$LAB_CONTROL/weights" ;;
esac
