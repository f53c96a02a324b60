#!/usr/bin/env python3
"""Runs the scripts of a stage inside an instance, as halolab does, through the daemon's own client.

    run_stage.py STAGE_FOLDER step|update|verify INSTANCE --family FAMILY [--set OPTION=VALUE]...
                 [--fact NAME=VALUE]... [--secret OPTION=VALUE]... [--only STEP] [--log FILE]

It knows nothing of plans: it is the test of the scripts alone. Prints one line a step; for verify the
verdict. Exit code 1 where a step that is not optional failed; its last line of stderr is shown."""

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib


def holds(condition, options, facts, family):
    """Evaluates a `when`."""
    if condition is None:
        return True
    words = {"&&": " and ", "||": " or ", "true": "True", "false": "False"}
    pattern = r"""("[^"]*"|'[^']*')|(&&|\|\||\btrue\b|\bfalse\b)|!(?!=)|(option|host|image)\.(\w+)"""

    def word(match):
        if match[1]:
            return match[1]
        if match[2]:
            return words[match[2]]
        if match[3]:
            values = {"option": options, "host": facts, "image": {"family": family}}[match[3]]
            return repr(values.get(match[4], ""))
        return " not "

    return bool(eval(re.sub(pattern, word, condition), {"__builtins__": {}}))  # text of our own repository


def answers(stage, given, facts, family):
    """The value of each option that is asked, by id: the given one, the default, or the first choice."""
    options = {}
    for option in stage["option"]:
        if option["kind"] == "secret" or not holds(option.get("when"), options, facts, family):
            continue
        value = given.get(option["id"], option.get("default", ""))
        if option["kind"] == "bool":
            value = value in (True, "1", "true")
        if option["kind"] == "multi" and isinstance(value, str):
            value = value.split()
        if option["kind"] == "choice":
            offered = [choice["id"] for choice in option["choices"] if holds(choice.get("when"), options, facts, family)]
            if option["id"] in given and value not in offered:
                sys.exit(f"{option['id']} = {value!r} is not offered here: {offered}")
            value = value if value in offered else offered[0]
        options[option["id"]] = value
    unknown = set(given) - set(options)
    if unknown:
        sys.exit(f"not asked here: {', '.join(sorted(unknown))}")
    return options


def environment(stage, options, facts, family, instance):
    """What a script finds in its environment."""
    env = {"IMAGE_FAMILY": family, "LAB": instance, "STAGE": stage["id"]}
    for name, value in options.items():
        if isinstance(value, bool):
            value = "1" if value else "0"
        env[f"OPT_{name.upper()}"] = " ".join(value) if isinstance(value, list) else value
    env.update({f"HOST_{name.upper()}": value for name, value in facts.items()})
    return env


class Instance:
    """An instance and the log of what ran in it."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def run(self, script, env):
        """Runs shell text; returns exit code, stdout and the last line of stderr."""
        command = ["lxc", "exec", self.name, "-T"]
        for name, value in env.items():
            command += ["--env", f"{name}={value}"]
        done = subprocess.run([*command, "--", "sh", "-eu", "-s"], input=script.encode(), capture_output=True)
        with open(self.log, "ab") as log:
            log.write(done.stdout + done.stderr)
        last = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        return done.returncode, done.stdout.decode(errors="replace").strip(), last

    def put_secret(self, name, value):
        """A file that only root can read; returns its path."""
        path = f"/run/halolab-secret-{name}"
        command = ["lxc", "exec", self.name, "-T", "--", "sh", "-c", f"umask 077; cat >{path}"]
        subprocess.run(command, input=value.encode(), check=True)
        return path


def main():
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("folder")
    command.add_argument("phase", choices=["step", "update", "verify"])
    command.add_argument("instance")
    command.add_argument("--family", required=True)
    for name in ("set", "fact", "secret"):
        command.add_argument(f"--{name}", action="append", default=[])
    command.add_argument("--only")
    command.add_argument("--log", default="/dev/stderr")
    given = command.parse_args()
    pairs = lambda words: dict(word.split("=", 1) for word in words)
    with open(os.path.join(given.folder, "stage.toml"), "rb") as file:
        stage = tomllib.load(file)
    facts, secrets = pairs(given.fact), pairs(given.secret)
    options = answers(stage, pairs(given.set), facts, given.family)
    env = environment(stage, options, facts, given.family, given.instance)
    instance = Instance(given.instance, given.log)
    for step in stage[given.phase]:
        if given.only not in (None, step["id"]) or not holds(step.get("when"), options, facts, given.family):
            continue
        script = step["run"].get(given.family) or step["run"]["any"]
        with open(os.path.join(given.folder, script["file"])) as file:
            text = file.read()
        own = {f"SECRET_{name.upper()}": instance.put_secret(name, secrets[name])
               for name in step.get("secrets", []) if name in secrets}
        began = time.monotonic()
        code, output, last = instance.run(text, {**env, **own})
        seconds = time.monotonic() - began
        if given.phase == "verify":
            print(output.rsplit("\n", 1)[-1], flush=True)
        if code:
            print(f"{step['id']}: failed in {seconds:.1f} s: {last}", flush=True)
            if not step.get("optional"):
                sys.exit(1)
        elif given.phase != "verify":
            print(f"{step['id']}: {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
