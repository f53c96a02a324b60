#!/bin/sh
# Installs ComfyUI into /home/lab/ComfyUI, or moves it to the chosen version. What it makes and reads
# lies under /data; custom nodes stay in the lab, so that a snapshot holds them.
set -eu
. /usr/local/lib/halolab/lab.sh

venv=/home/lab/venv
place=/home/lab/ComfyUI
repository=${OPT_COMFYUI_REPO:-https://github.com/comfyanonymous/ComfyUI.git}

main() {
    get_source
    choose_version
    install_requirements
    write_model_paths
    write_launcher
    say "ComfyUI $(as_lab git -C $place describe --tags --always) is in $place."
}

get_source() {
    if [ -d $place/.git ]; then
        as_lab git -C $place remote set-url origin "$repository"
    else
        # A clone that was cut off is not taken for a whole one.
        rm -rf $place.new
        say "Cloning $repository"
        try "ComfyUI could not be fetched from $repository. Without a way there, set comfyui_repo to a mirror." \
            thrice clone
        mv $place.new $place
    fi
    try "The versions of ComfyUI could not be fetched from $repository." \
        thrice as_lab git -C $place fetch -q --tags --force --prune origin
}

clone() {
    rm -rf $place.new
    as_lab git clone -q --filter=blob:none --no-checkout "$repository" $place.new
}

choose_version() {
    wanted=${OPT_COMFYUI_REF:-latest}
    if [ "$wanted" = latest ]; then
        wanted=$(as_lab git -C $place tag --list 'v[0-9]*' --sort=-v:refname | grep -E '^v[0-9.]+$' | head -n 1)
        [ -n "$wanted" ] || wanted=origin/HEAD
    elif as_lab git -C $place rev-parse -q --verify "refs/remotes/origin/$wanted" >/dev/null; then
        wanted=origin/$wanted
    fi
    commit=$(as_lab git -C $place rev-parse -q --verify "$wanted^{commit}") ||
        fail "ComfyUI has no version '$wanted': give a tag, a branch or a commit as comfyui_ref, or latest."
    if [ -f $place/main.py ] && ! as_lab git -C $place diff --quiet HEAD; then
        say "Files of ComfyUI were changed by hand; 'git -C $place stash pop' brings the changes back."
        try "The changes could not be put aside." \
            as_lab git -C $place -c user.name=halolab -c user.email=halolab@localhost stash push -q -m "before $wanted"
    fi
    say "Checking out $wanted"
    try "The version $wanted of ComfyUI could not be checked out." \
        thrice as_lab git -C $place -c advice.detachedHead=false checkout -q --detach "$commit"
}

# PyTorch is there already, pinned; asking for it again would at best do nothing.
install_requirements() {
    before=$(torch_version) list=$downloads/requirements.txt
    install -d -m 755 "$downloads"
    grep -viE '^(torch|torchvision|torchaudio)([^a-z0-9_-]|$)' $place/requirements.txt >"$list"
    say "Installing the $(grep -c '^[A-Za-z]' "$list") requirements of ComfyUI"
    try "The requirements of ComfyUI could not be installed; the lines above name the package. Without a way to \
PyPI, set pip_index." thrice as_lab $venv/bin/python -m pip install -q -r "$list"
    [ "$(torch_version)" = "$before" ] ||
        fail "A requirement of ComfyUI replaced PyTorch $before by $(torch_version). Run the update again; it puts PyTorch back."
}

torch_version() { as_lab $venv/bin/python -c 'import importlib.metadata as m; print(m.version("torch"))'; }

write_model_paths() {
    folders="checkpoints clip_vision controlnet diffusion_models embeddings loras style_models text_encoders
        upscale_models vae vae_approx audio_encoders model_patches hypernetworks"
    {
        echo '# Models lie on a mount that outlives the lab. Written by halolab.'
        echo 'halolab:'
        echo '    base_path: /data/models'
        echo '    is_default: true'
        for folder in $folders; do echo "    $folder: $folder"; done
    } >$place/extra_model_paths.yaml
    chown lab:lab $place/extra_model_paths.yaml
    for folder in $folders; do
        as_lab mkdir -p "/data/models/$folder"
    done
    as_lab mkdir -p /data/comfyui/user /data/comfyui/input
}

write_launcher() {
    case ${OPT_COMFYUI_PORT:-8188} in
        *[!0-9]* | '') fail "The port of ComfyUI is a number between 1024 and 65535, not '$OPT_COMFYUI_PORT'." ;;
    esac
    device=
    if [ "${OPT_GPU:-cpu}" = cpu ]; then device=--cpu; fi
    cat >/usr/local/bin/comfyui <<LAUNCHER
#!/bin/sh
# Starts ComfyUI on the lab's data. Written by halolab.
set -a
. /etc/halolab/lab.env
. /etc/halolab/gpu.env
cd $place
exec $venv/bin/python main.py --listen 0.0.0.0 --port ${OPT_COMFYUI_PORT:-8188} $device \\
    --output-directory /data/outputs --input-directory /data/comfyui/input \\
    --user-directory /data/comfyui/user "\$@"
LAUNCHER
    chmod 755 /usr/local/bin/comfyui
}

main </dev/null
