#!/bin/bash
# Gradescope runs this once, as root, when it builds the image. What is returned is stored beside this file.
set -euo pipefail
command -v python3 >/dev/null || { apt-get update -qq; apt-get install -y -qq --no-install-recommends python3-minimal; }
chmod -R go-rwx "$(cd "$(dirname "$0")" && pwd)"
