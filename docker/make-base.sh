#!/bin/sh
# Makes a base image from a Debian mirror alone, where no image registry can be reached:
#   make-base.sh [parameter-golf-base:bookworm] [cpu|cuda]
# For cuda with a C compiler and Python's headers, with which Triton builds what starts a kernel.
# Needs root, debootstrap, and the docker command. DEBIAN_MIRROR names a mirror other than
# debootstrap's default.
set -eu

tag="${1:-parameter-golf-base:bookworm}"
packages=python3,python3-venv,python3-pip,ca-certificates
[ "${2:-cpu}" = cpu ] || packages="$packages,g++,python3-dev"
folder="$(mktemp -d)"
trap 'rm -rf -- "$folder"' EXIT

# shellcheck disable=SC2086 # the mirror is left out when not given
debootstrap --variant=minbase --include="$packages" \
    bookworm "$folder/root" ${DEBIAN_MIRROR:-}
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
tar -C "$folder/root" --numeric-owner -c . | docker import - "$tag"
