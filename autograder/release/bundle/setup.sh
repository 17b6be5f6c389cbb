#!/bin/bash
# Gradescope runs this once, as root, when it builds the image. The system's Python is left as it is: everything goes into an environment of our own.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")" && pwd)
home=$(dirname "$source_folder")
venv=$home/deepgrade
export DEBIAN_FRONTEND=noninteractive

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() { for name in python3.11 python3.12 python3.13 python3; do usable "$name" && { command -v "$name"; return; }; done; return 1; }

if ! find_python >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv || apt-get install -y -qq --no-install-recommends python3-venv
fi
[ -e /usr/lib/*/libseccomp.so.2 ] || { apt-get update -qq; apt-get install -y -qq --no-install-recommends libseccomp2; }
python=$(find_python) || { echo "deepgrade: no Python 3.11 or later can be had here" >&2; exit 1; }
"$python" -m venv "$venv"

pip() { "$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "$@"; }
torch=$(sed -n 's/^torch==//p' "$source_folder/constraints.txt")
config() { "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$source_folder/deepgrade.json" "$1"; }
index=$(config torch_index)
packages=$(config index)
[ -z "$packages" ] || export PIP_INDEX_URL=$packages
pip --no-deps ${index:+--index-url "$index"} "torch==$torch+cpu" \
    || { echo "deepgrade: no CPU build of torch: set TORCH_INDEX when you build the bundle, to avoid gigabytes of CUDA" >&2; pip "torch==$torch"; }
pip --constraint "$source_folder/constraints.txt" --requirement "$source_folder/requirements.txt"

chmod -R go-rwx "$source_folder"
"$venv/bin/python" -c 'import torch, numpy, pytest, matplotlib.font_manager; print("deepgrade: ready, torch", torch.__version__)'
