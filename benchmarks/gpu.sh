#!/usr/bin/env bash
# Measures the package on one large GPU in at most 8 minutes, without a network, and writes a report.
#
#   bash benchmarks/gpu.sh              # writes reports/gpu/
#   bash benchmarks/gpu.sh FOLDER       # writes there
#
# Needs a Python with builds of PyTorch and JAX for the GPU and this package's other dependencies; PYTHON names it (python3
# by default). The package itself is read from this checkout. Dependencies that the machine lacks may lie as wheels in a
# folder that WHEELS names. Without a GPU the report says that nothing was measured.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if [ -n "${WHEELS:-}" ]; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$WHEELS"/*.whl
fi
export PYTHONPATH="$PWD${site:+:$site}${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
timeout 480 "$python" benchmarks/gpu.py --out "${1:-reports/gpu}"
