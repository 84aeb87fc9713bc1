#!/usr/bin/env bash
# torch 2.13.0: `torchrun --standalone --max-restarts 1` cannot start a program of gloo anew. Its processes share the store of
# torchrun's own rendezvous, the same one for all attempts and without a prefix for each, so those of the second attempt read
# there the addresses of those of the first, connect to ports that nobody listens at any more, and end with "Gloo
# connectFullMesh failed ... Connection refused". With TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 it works, and so it does with a
# PrefixStore of one's own that has TORCHELASTIC_RESTART_COUNT in its prefix.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 "numpy<3"
cat > "$folder/program.py" <<'PY'
import datetime
import os

import torch
import torch.distributed as dist

dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=20))
x = torch.ones(1)
dist.all_reduce(x)
attempt, rank = os.environ["TORCHELASTIC_RESTART_COUNT"], dist.get_rank()
print(f"attempt {attempt}, process {rank}: the sum is {x.item():g}", flush=True)
if attempt == "0" and rank == 1:
    os._exit(3)
dist.barrier()
dist.destroy_process_group()
PY
"$folder/venv/bin/python" -c 'import torch; print("torch", torch.__version__)'
run() {
  TORCH_DISABLE_SHARE_RDZV_TCP_STORE=$1 "$folder/venv/bin/python" -m torch.distributed.run --standalone \
    --nproc-per-node 2 --max-restarts 1 "$folder/program.py" > "$folder/$1.txt" 2>&1 && status=0 || status=$?
  echo "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=$1: torchrun ends with $status"
  grep -E "^attempt|connectFullMesh failed" "$folder/$1.txt" | sort -u || true
}
run 1
apart=$status
run 0
shared=$status
if [ "$apart" = 0 ] && [ "$shared" != 0 ] && grep -q "connectFullMesh failed" "$folder/0.txt"; then
  echo "as described"
else
  echo "the behaviour has changed"
  exit 1
fi
