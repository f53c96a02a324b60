# The AI lab on Debian without a GPU: first run, update, proof, and what the proof must refuse.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

say "--- ai-lab on Debian"
wheels=$state/wheels-cpu
"$standins/wheels.py" "$wheels" torch==2.9.0 torchvision==0.24.0 torchaudio==2.9.0 torchsde-standin==0.2.6
"$standins/git-remote.sh" "$state/git" 0.3.59
"$standins/git-remote.sh" "$state/git" 0.3.60
serve wheels-cpu "$standins/serve.py" "$wheels" --bind "$host"
serve git git daemon --export-all --reuseaddr --base-path="$state/git" --listen="$host" --port=19418 --verbose "$state/git"
index=$(address_of wheels-cpu)/simple/

launch ai models cache outputs comfyui
common=(--family debian --set sources=1 --set "pip_index=$index" --set "torch_index=$index"
    --set "comfyui_repo=git://$host:19418/ComfyUI.git")
must step ai-lab --secret password=geheim
must verify ai-lab
expect "the verdict names what runs" "$output" 'CPU only: PyTorch 2\.9\.0, ComfyUI 0\.3\.60'
expect "ComfyUI answers from outside" \
    "$(curl -fsS --noproxy '*' "http://$(lxc list -c4 -fcsv "^$lab\$" | cut -d' ' -f1):8188/system_stats")" '.*0\.3\.60.*'
expect "models and pictures belong to lab" "$(inside 'stat -c %U /data/models/checkpoints /data/outputs | sort -u')" lab
expect "ComfyUI looks for models on the mount" "$(inside 'grep base_path /home/lab/ComfyUI/extra_model_paths.yaml')" ' *base_path: /data/models'
expect "the password is set, and sudo asks for it" \
    "$(inside 'getent shadow lab | cut -d: -f2 | cut -c1; cat /etc/sudoers.d/halolab')" $'\\$\nlab ALL=\\(ALL:ALL\\) ALL'
expect "no secret is left readable" "$(inside 'grep -rl geheim /etc /usr/local /home 2>/dev/null' || true)" ''

# A custom node asks for another torch: the pin must hold.
"$standins/wheels.py" "$wheels" torch==2.9.1 torchvision==0.24.1 torchaudio==2.9.1 torchsde-standin==0.2.7
pip="runuser -u lab -- /home/lab/venv/bin/python -m pip install -q --index-url $index --trusted-host $host"
expect "a custom node cannot replace torch" "$(inside "cd /; $pip torch==2.9.1 >/dev/null 2>&1; echo \$?")" '1'

# The same steps again change nothing and succeed: a run that was cut off goes on.
must step ai-lab --only packages
must step ai-lab --only user
must step ai-lab --only comfyui

"$standins/git-remote.sh" "$state/git" 0.3.61
inside 'cd /home/lab/ComfyUI && echo "# mine" >>main.py && echo "print(1)" >custom_nodes/mine.py'
must update ai-lab
must verify ai-lab
expect "an update brings the newest of the line" "$output" 'CPU only: PyTorch 2\.9\.1, ComfyUI 0\.3\.61'
expect "changes by hand are put aside, not lost" "$(inside 'git -c safe.directory=* -C /home/lab/ComfyUI stash list')" '.*before v0\.3\.61'
expect "custom nodes stay" "$(inside 'cat /home/lab/ComfyUI/custom_nodes/mine.py')" 'print\(1\)'
expect "an older version can be chosen" "$(
    phase step ai-lab --only comfyui --set comfyui_ref=v0.3.59
    phase verify ai-lab
)" '.*ComfyUI 0\.3\.59.*'

# What must not pass.
inside 'echo "raise RuntimeError(1)" >/home/lab/ComfyUI/custom_nodes/mine.py'
phase verify ai-lab
expect "a custom node that breaks ComfyUI fails the proof" "$output" 'FAILED: CPU only: PyTorch 2\.9\.1, ComfyUI does not start.*'
inside 'rm /home/lab/ComfyUI/custom_nodes/mine.py'
phase verify ai-lab --fact gpu_amd=1 --fact gfx=gfx1151 --set gpu=rocm
expect "a CPU build in a GPU lab fails the proof" "$output" 'FAILED: PyTorch 2\.9\.1 is built for cpu, not rocm.*'
phase step ai-lab --only comfyui --set comfyui_repo="git://$host:19418/nothing.git"
expect "a repository that is not there is told in words" "$output" '.*(Versions|versions) of ComfyUI could not be fetched from git://.*'
phase step ai-lab --only comfyui --set comfyui_ref=v9
expect "a version that is not there is told in words" "$output" ".*ComfyUI has no version 'v9'.*"
phase step ai-lab --only pytorch --set torch_index="http://$host:9/"
expect "an index that is not there is told in words" "$output" ".*The index http://.* does not answer.*set torch_index.*"
phase verify ai-lab
expect "a failed update leaves the lab working" "$output" 'CPU only: PyTorch 2\.9\.1, ComfyUI 0\.3\.59'

say "--- the ROCm line, with stand-in wheels and a stand-in /dev/kfd"
wheels=$state/wheels-rocm
"$standins/wheels.py" "$wheels" rocm==7.14.0 rocm==10.0.0 torchsde-standin==0.2.7 \
    torch==2.12.0+rocm7.14.0 torchvision==0.27.0+rocm7.14.0 torchaudio==2.11.0+rocm7.14.0 \
    torch==2.13.0+rocm10.0.0 torchvision==0.28.0+rocm10.0.0
serve wheels-rocm "$standins/serve.py" "$wheels" --bind "$host"
index=$(address_of wheels-rocm)/simple/
rocm=(--fact gpu_amd=1 --fact gfx=gfx1151 --set gpu=rocm --set "torch_index=$index" --set "pip_index=$index")
must step ai-lab --only pytorch "${rocm[@]}"
must step ai-lab --only comfyui "${rocm[@]}"
phase verify ai-lab "${rocm[@]}"
expect "a GPU lab that fell to the CPU fails the proof" "$output" 'FAILED: no GPU inside, PyTorch 2\.12\.0 fell to the CPU.*/dev/kfd is not in the lab.*'
lxc config device add -q "$lab" kfd unix-char source=/dev/null path=/dev/kfd gid=2990 mode=0660 </dev/null
must step ai-lab --only service "${rocm[@]}"
must verify ai-lab "${rocm[@]}"
expect "with the device it passes; the line of ROCm is held" "$output" 'gfx1151 ok: ROCm 7\.14\.0, PyTorch 2\.12\.0, ComfyUI 0\.3\.61'
phase verify ai-lab "${rocm[@]}" --fact gfx=gfx1100
expect "another GPU than the host's fails the proof" "$output" 'FAILED: the GPU answers as gfx1151, not gfx1100.*'
must step ai-lab --only pytorch "${rocm[@]}" --set rocm_line=10.0
must verify ai-lab "${rocm[@]}" --set rocm_line=10.0
expect "the line can be changed" "$output" 'gfx1151 ok: ROCm 10\.0\.0, PyTorch 2\.13\.0, ComfyUI 0\.3\.61'
