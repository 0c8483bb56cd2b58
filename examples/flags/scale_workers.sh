#!/bin/sh
# Stands for your own way to scale, such as `kubectl scale deploy/workers --replicas=4`.
set -eu
echo "phase $CANARY_PHASE: one more worker" >> workers.log
