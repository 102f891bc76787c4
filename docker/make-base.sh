#!/bin/sh
# Makes the base image parameter-golf-base:bookworm from a Debian mirror alone, where no image
# registry can be reached. Needs root, debootstrap, and the docker command. DEBIAN_MIRROR names
# a mirror other than debootstrap's default.
set -eu

tag="${1:-parameter-golf-base:bookworm}"
folder="$(mktemp -d)"
trap 'rm -rf -- "$folder"' EXIT

# shellcheck disable=SC2086 # the mirror is left out when not given
debootstrap --variant=minbase \
    --include=python3,python3-venv,python3-pip,ca-certificates \
    bookworm "$folder/root" ${DEBIAN_MIRROR:-}
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
tar -C "$folder/root" --numeric-owner -c . | docker import - "$tag"
