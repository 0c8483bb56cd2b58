#!/bin/sh
# The share of the new version, for nginx: a file that its configuration includes, with
#   include /etc/nginx/split.conf;      in the http block
#   proxy_pass http://$service;         where `upstream v1` and `upstream v2` are the two versions
#
#   split.sh set 5     writes it and reloads nginx, where one runs
#   split.sh get       says what it is: {"canary": 5}
set -eu
file=${SPLIT_CONF:-split.conf}

case "${1:-} ${2:-}" in
  "set "[0-9]*)
    case $2 in
      0) rest='* v1;' ;;
      100) rest='* v2;' ;;
      *) rest="$2% v2; * v1;" ;;
    esac
    # a new file in its place: nginx never reads half of one
    printf 'split_clients "$request_id" $service { %s }\n' "$rest" >"$file.new"
    mv "$file.new" "$file"
    if [ -z "${SPLIT_NO_RELOAD:-}" ]; then nginx -s reload; fi
    ;;
  "get ")
    if [ ! -e "$file" ]; then
      percent=0
    else
      percent=$(sed -n -e 's/.*{ \* v1; }$/0/p' -e 's/.*{ \* v2; }$/100/p' -e 's/.*{ \([0-9.]*\)% v2; .*/\1/p' "$file")
    fi
    # unknown is no share: the file is not one of ours
    [ -n "$percent" ] || { echo "$file holds no share" >&2; exit 1; }
    printf '{"canary": %s}\n' "$percent"
    ;;
  *)
    echo "usage: split.sh set PERCENT | get" >&2
    exit 2
    ;;
esac
