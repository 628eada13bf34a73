"""The Anthropic Python SDK against recorded answers.

    anthropic_sdk.py BASE_URL SLOW_BASE_URL RUN    prints what each step came to, and how many requests it took
"""

import json
import sys

import anthropic

sent = []
steps = {}
client = anthropic.Anthropic(
    base_url=sys.argv[1], api_key="a key of a test", default_headers={"Toolgate-Run-Id": sys.argv[3]},
    http_client=anthropic.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(str(request.url.path))]}))
SAY = [{"role": "user", "content": "Say something."}]
TOOLS = [{"name": "get_time", "input_schema": {"type": "object", "properties": {}}}]


def step(name, doing):
    before = len(sent)
    try:
        outcome = doing()
    except anthropic.APIError as error:
        outcome = {"raised": type(error).__name__, "status": getattr(error, "status_code", None),
                   "message": str(error.message), "body": error.body}
    steps[name] = {"outcome": outcome, "requests": len(sent) - before}


def ask(recording, model="claude-test", **more):
    return client.messages.create(model=model, max_tokens=100, messages=SAY,
                                  extra_headers={"x-recording": recording}, **more)


def dump(value):
    return value.model_dump(mode="json")


def stream(recording, model="claude-test"):
    """The SDK's own helper, which gathers the message out of the events."""
    with client.messages.stream(model=model, max_tokens=100, messages=SAY, tools=TOOLS,
                                extra_headers={"x-recording": recording}) as events:
        seen = [event.type for event in events]
        return {"events": seen, "message": dump(events.get_final_message())}


step("messages", lambda: dump(ask("messages.json")))
step("messages with a tool call", lambda: dump(ask("messages-tool.json", tools=TOOLS)))
step("messages, streamed", lambda: stream("messages.sse"))
step("messages with a tool call, streamed", lambda: stream("messages-tool.sse"))
step("messages refused", lambda: dump(ask("messages.json", model="claude-forbidden")))
step("messages refused, streamed", lambda: stream("messages.sse", model="claude-forbidden"))
client, quick = client.with_options(base_url=sys.argv[2]), client
step("within the rate", lambda: dump(ask("messages.json")))
step("over the rate", lambda: dump(ask("messages.json")))
client = quick
step("after a refusal", lambda: dump(ask("messages.json")))
json.dump(steps, sys.stdout, indent=1, sort_keys=True)
