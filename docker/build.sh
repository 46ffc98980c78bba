#!/bin/sh
# Builds the image and gives it both of its names, server:latest and client:latest.
set -eu

CDPATH='' cd -- "$(dirname -- "$0")/.."
sh docker/base-images.sh rust:1.85-alpine
echo 'building the image (a minute, if the sources are new)'
# A builder of buildx may keep the result to itself and still end with 0. --load gives the result to the engine.
if docker buildx version >/dev/null 2>&1; then
    docker buildx build --load --tag server:latest --tag client:latest .
else
    docker build --tag server:latest --tag client:latest .
fi
