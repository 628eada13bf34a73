"""A model API that needs no model: OpenAI chat completions and responses, Anthropic messages.

    models.py PORT

With the header `x-recording: NAME` it answers with recordings/NAME, in small pieces. Otherwise it
plays a model that uses its tools: it asks for the first offered tool whose name ends in `add`, and
once that has answered it says what the answer was. `GET /asked` tells how many requests came.
"""

import json
import pathlib
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORDINGS = pathlib.Path(__file__).resolve().parent.parent / "recordings"
PIECE_BYTES = 97  # events do not end where pieces do
PIECE_PAUSE_SECONDS = 0.002
ARGUMENTS = {"a": 2, "b": 40}
CHUNK = {"id": "chatcmpl-peer", "created": 1, "model": "peer"}


def texts(value):
    """All text in a message's content, however deep a provider puts it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(texts(one) for one in value)
    if isinstance(value, dict):
        return texts(value.get("text") or value.get("content") or value.get("output") or "")
    return ""


def tool_name(body):
    for one in body.get("tools") or []:
        name = one.get("name") or one.get("function", {}).get("name") or ""
        if name.endswith("add"):
            return name
    return None


def tool_result(body):
    """What the tool answered, out of the history that came with the request; None before."""
    for message in reversed(body.get("messages") or body.get("input") or []):
        if not isinstance(message, dict):
            continue
        if message.get("role") == "tool":
            return texts(message)
        if message.get("type") == "function_call_output":
            return texts(message["output"])
        blocks = message.get("content")
        for block in blocks if isinstance(blocks, list) else []:
            if isinstance(block, dict) and block.get("type") == "tool_result":
                return texts(block)
    return None


def chat(body, name, words):
    message = {"role": "assistant", "content": words, "refusal": None}
    if name:
        call = {"name": name, "arguments": json.dumps(ARGUMENTS)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    reason = "tool_calls" if name else "stop"
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**CHUNK, "object": "chat.completion", "choices": [choice], "usage": usage}
    if name:
        message["tool_calls"][0]["index"] = 0

    def piece(delta, reason=None):
        return None, {**CHUNK, "object": "chat.completion.chunk",
                      "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    last = {**CHUNK, "object": "chat.completion.chunk", "choices": [], "usage": usage}
    return [piece(message), piece({}, reason), (None, last), (None, "[DONE]")]


def responses(body, name, words):
    if name:
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "status": "completed",
                "arguments": json.dumps(ARGUMENTS)}
    else:
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": words, "annotations": [], "logprobs": []}]}
    usage = {"input_tokens": 50, "output_tokens": 10, "total_tokens": 60,
             "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": "peer", "status": "completed",
             "output": [item], "usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
             "error": None, "incomplete_details": None, "instructions": None, "metadata": {}}
    if not body.get("stream"):
        return whole
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [("response.created", {"response": begun}),
              ("response.output_item.added", {"output_index": 0, "item": item}),
              ("response.output_item.done", {"output_index": 0, "item": item}),
              ("response.completed", {"response": whole})]
    return [(kind, {"type": kind, "sequence_number": number, **rest}) for number, (kind, rest) in enumerate(events)]


def messages(body, name, words):
    block = ({"type": "tool_use", "id": "toolu_1", "name": name, "input": ARGUMENTS} if name
             else {"type": "text", "text": words})
    reason = "tool_use" if name else "end_turn"
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", "peer"),
             "content": [block], "stop_reason": reason, "stop_sequence": None,
             "usage": {"input_tokens": 50, "output_tokens": 10}}
    if not body.get("stream"):
        return whole
    begun = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": 50, "output_tokens": 1}}
    empty = {**block, "input": {}} if name else {**block, "text": ""}
    delta = ({"type": "input_json_delta", "partial_json": json.dumps(ARGUMENTS)} if name
             else {"type": "text_delta", "text": words})
    events = [{"type": "message_start", "message": begun},
              {"type": "content_block_start", "index": 0, "content_block": empty},
              {"type": "content_block_delta", "index": 0, "delta": delta},
              {"type": "content_block_stop", "index": 0},
              {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
               "usage": {"output_tokens": 10}},
              {"type": "message_stop"}]
    return [(event["type"], event) for event in events]


SHAPES = {"chat/completions": chat, "responses": responses, "messages": messages}


def written(answer):
    """(content type, bytes) of what a shape made: an object, or (event name, data) pairs."""
    if isinstance(answer, dict):
        return "application/json", json.dumps(answer).encode()
    lines = []
    for event, data in answer:
        body = data if isinstance(data, str) else json.dumps(data)
        lines.append((f"event: {event}\n" if event else "") + f"data: {body}\n\n")
    return "text/event-stream", "".join(lines).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.whole(200, {"asked": Handler.asked})

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        Handler.asked += 1
        path = self.path.split("?")[0].removeprefix("/v1/")
        if path == "messages/count_tokens":
            return self.whole(200, {"input_tokens": 50})
        if path not in SHAPES:
            return self.whole(404, {"error": {"message": f"no {path} here", "type": "invalid_request_error"}})
        recording = self.headers.get("x-recording")
        if recording:
            kind = "text/event-stream; charset=utf-8" if recording.endswith(".sse") else "application/json"
            return self.pieces(kind, (RECORDINGS / recording).read_bytes())
        said = tool_result(body)
        words = f"The tool said: {said}" if said is not None else "Nothing to do."
        name = tool_name(body) if said is None else None
        self.pieces(*written(SHAPES[path](body, name, None if name else words)))

    def whole(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pieces(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start:start + PIECE_BYTES]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(PIECE_PAUSE_SECONDS)
        self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
