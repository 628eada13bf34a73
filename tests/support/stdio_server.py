"""A scripted MCP server on standard input and output. What a tool does is in its name."""

import json
import os
import subprocess
import sys
import threading
import time

lock = threading.Lock()
answers = {}
answered = threading.Condition()
cancelled = []
held = []


def write(text):
    with lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def send(**message):
    write(json.dumps({"jsonrpc": "2.0", **message}))


def text(value, **more):
    return {"content": [{"type": "text", "text": value}], **more}


def call(id, name, arguments, meta):
    token = meta.get("progressToken")
    if name in ("echo", "mirror"):
        send(id=id, result=text(json.dumps(arguments), structuredContent=arguments))
    elif name == "raw":
        write('{ "result":{"content":[],"n":1.50, "s":"\\u0041"} ,"id" : %s,"jsonrpc":"2.0"}' % json.dumps(id))
    elif name == "progress":
        for step in range(arguments.get("steps", 3)):
            params = {"progressToken": token, "progress": step, "message": "x" * arguments.get("bytes", 1)}
            send(method="notifications/progress", params=params)
        send(id=id, result=text("done"))
    elif name == "ask":
        send(id="s1", method="sampling/createMessage", params={"messages": [], "maxTokens": 1})
        with answered:
            answered.wait_for(lambda: "s1" in answers, timeout=30)
        send(id=id, result=text(json.dumps(answers.get("s1"))))
    elif name == "hang":
        held.append(id)
    elif name == "cancelled":
        send(id=id, result=text(json.dumps([len(cancelled), all(c in held for c in cancelled)])))
    elif name == "die":
        os._exit(3)
    elif name == "change":
        send(method="notifications/tools/list_changed")
        send(id=id, result=text("changed"))
    elif name == "flood":
        write("this is no JSON")
        write("x" * (9 * 1024 * 1024))
        write("[" * 1000)
        write(json.dumps({"jsonrpc": "2.0", "id": 999999, "result": {}}))
        for _ in range(arguments.get("lines", 1000)):
            send(method="notifications/message", params={"level": "info", "data": "y" * 1000})
        send(id=id, result=text("flooded"))
    elif name == "wide":
        write('{"jsonrpc":"2.0","id":%s,"result":{"a":1,"a":2}}' % json.dumps(id))
    elif name == "spawn":
        child = subprocess.Popen(["sleep", "1000"])
        send(id=id, result=text(json.dumps([os.getpid(), child.pid])))
    elif name == "env":
        send(id=id, result=text(json.dumps([sorted(os.environ), os.environ.get("GIVEN"), os.getcwd()])))
    elif name == "slow":
        time.sleep(arguments["ms"] / 1000)
        send(id=id, result=text("slow"))
    else:
        send(id=id, error={"code": -32602, "message": "Unknown tool: " + name})


TOOLS = "echo raw progress ask hang cancelled die change flood wide spawn env slow".split()


def request(id, method, params):
    meta = params.get("_meta") or {}
    if method == "initialize":
        info = {"name": "scripted", "version": "1"}
        result = {"protocolVersion": params.get("protocolVersion"), "capabilities": {"tools": {}}, "serverInfo": info}
        send(id=id, result=result)
    elif method == "server/discover":
        info = {"name": "scripted", "version": "1"}
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": info}
        send(id=id, result={**result, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
        region = {"type": "string", "x-mcp-header": "Region"}
        tools.append({"name": "mirror", "inputSchema": {"type": "object", "properties": {"region": region}}})
        send(id=id, result={"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
    elif method == "tools/call":
        work = (id, params["name"], params.get("arguments") or {}, meta)
        threading.Thread(target=call, args=work, daemon=True).start()
    elif method == "ping":
        send(id=id, result={})
    elif method == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": id}
        send(method="notifications/subscriptions/acknowledged", params={"_meta": meta, "notifications": {}})
        send(method="notifications/tools/list_changed", params={"_meta": meta})
        send(id=id, result={"_meta": meta, "resultType": "complete"})
    else:
        send(id=id, error={"code": -32601, "message": "Method not found"})


print("the server has begun", file=sys.stderr, flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "method" in message and "id" in message:
        request(message["id"], message["method"], message.get("params") or {})
    elif "method" not in message:
        with answered:
            answers[message["id"]] = message.get("result")
            answered.notify_all()
    elif message["method"] == "notifications/cancelled":
        cancelled.append(message["params"]["requestId"])
