"""An agent that finds an MCP server where its environment says."""

import json
import os
import urllib.request


def ask(message, session=None):
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if session:
        headers["mcp-session-id"] = session
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    request = urllib.request.Request(os.environ["TOOLGATE_SCRIPTED_URL"], body, headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers.get("mcp-session-id"), json.loads(answer.read())


client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
session, _ = ask({"id": 1, "method": "initialize", "params": client})
_, answer = ask({"id": 2, "method": "tools/call", "params": {"name": "spawn", "arguments": {}}}, session)
print(answer["result"]["content"][0]["text"])
