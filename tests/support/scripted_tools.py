"""An MCP server on standard input and output whose every tool answers what stands in the file
answer.json of a folder, and notes in reached.json what reached it."""

import json
import os
import sys

folder = sys.argv[1]

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    if message["method"] == "initialize":
        result = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
    elif message["method"] == "tools/call":
        with open(os.path.join(folder, "reached.json"), "w") as file:
            json.dump(message["params"].get("arguments"), file)
        with open(os.path.join(folder, "answer.json")) as file:
            result = json.load(file)
    else:
        result = {}
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
