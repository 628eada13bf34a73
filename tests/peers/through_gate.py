"""Runs a client with the gate between it and the server it was given.

    through_gate.py COMMAND [ARGS..] URL    starts a gate in front of URL, runs COMMAND with the gate's
"""

import subprocess
import sys

import peers

with peers.Stage() as stage:
    *command, url = sys.argv[1:]
    gate = stage.gate({"server": {"mcp": url}})
    sys.exit(subprocess.call([*command, f"{gate}/server/mcp"]))
