#!/bin/sh
# Makes a base image from a Debian mirror alone, where no image registry can be reached:
#   make-base.sh [parameter-golf-base:bookworm] [cpu|cuda|upstream-cpu]
# For cuda with a C compiler and Python's headers, with which Triton builds what starts a kernel.
# For upstream-cpu with Debian's PyTorch: no package index has a CPU build for this Python.
# Needs root, debootstrap, and the docker command. DEBIAN_MIRROR names a mirror other than
# debootstrap's default.
set -eu

tag="${1:-parameter-golf-base:bookworm}"
suite=bookworm
packages=python3,python3-venv,python3-pip,ca-certificates
case "${2:-cpu}" in
cpu) ;;
cuda) suite=trixie packages="$packages,g++,python3-dev,lrzip" ;;
# The BLAS with OpenMP, because PyTorch calls it in threads of OpenMP.
upstream-cpu) suite=trixie packages="$packages,python3-torch,libopenblas0-openmp,lrzip" ;;
*) echo "make-base.sh: expected cpu, cuda or upstream-cpu, got $2" >&2; exit 2 ;;
esac
folder="$(mktemp -d)"
trap 'rm -rf -- "$folder"' EXIT

# shellcheck disable=SC2086 # the mirror is left out when not given
debootstrap --variant=minbase --include="$packages" \
    "$suite" "$folder/root" ${DEBIAN_MIRROR:-}
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
[ "$suite" = bookworm ] || (cd "$folder/root/usr/share" && rm -rf doc/* locale/* man/*)
tar -C "$folder/root" --numeric-owner -c . | docker import - "$tag"
