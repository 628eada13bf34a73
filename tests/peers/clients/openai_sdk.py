"""The OpenAI Python SDK (2.x or 3.x, whichever is installed) against recorded answers.

    openai_sdk.py BASE_URL SLOW_BASE_URL RUN    prints what each step came to, and how many requests it took
"""

import json
import sys

import openai

sent = []
steps = {}
client = openai.OpenAI(
    base_url=sys.argv[1], api_key="a key of a test", default_headers={"Toolgate-Run-Id": sys.argv[3]},
    http_client=openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(str(request.url.path))]}))
SAY = [{"role": "user", "content": "Say something."}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]


def step(name, doing):
    before = len(sent)
    try:
        outcome = doing()
    except openai.APIError as error:
        outcome = {"raised": type(error).__name__, "status": getattr(error, "status_code", None),
                   "code": error.code, "message": str(error.message), "body": error.body}
    steps[name] = {"outcome": outcome, "requests": len(sent) - before}


def recorded(name):
    return {"x-recording": name}


def dump(value):
    return value.model_dump(mode="json")


def chat_stream():
    with client.chat.completions.create(model="gpt-4o-mini", messages=SAY, tools=TOOLS, stream=True,
                                        stream_options={"include_usage": True},
                                        extra_headers=recorded("chat.sse")) as stream:
        return [dump(one) for one in stream]


def responses_stream():
    with client.responses.create(model="gpt-5.5", input="Say something.", stream=True,
                                 extra_headers=recorded("responses.sse")) as stream:
        return [dump(one) for one in stream]


step("chat", lambda: dump(client.chat.completions.create(
    model="gpt-3.5-turbo", messages=SAY, extra_headers=recorded("chat.json"))))
step("chat with a tool call", lambda: dump(client.chat.completions.create(
    model="gpt-4", messages=SAY, tools=TOOLS, extra_headers=recorded("chat-tool.json"))))
step("chat, streamed", chat_stream)
step("responses", lambda: dump(client.responses.create(
    model="gpt-4.1-nano", input="Say something.", extra_headers=recorded("responses.json"))))
step("responses, streamed", responses_stream)
step("chat refused", lambda: dump(client.chat.completions.create(
    model="gpt-forbidden", messages=SAY, extra_headers=recorded("chat.json"))))
step("chat refused, streamed", lambda: [dump(one) for one in client.chat.completions.create(
    model="gpt-forbidden", messages=SAY, stream=True, extra_headers=recorded("chat.sse"))])
step("responses refused", lambda: dump(client.responses.create(
    model="gpt-forbidden", input="Say something.", extra_headers=recorded("responses.json"))))
slow = client.with_options(base_url=sys.argv[2])
step("within the rate", lambda: dump(slow.chat.completions.create(
    model="gpt-4", messages=SAY, extra_headers=recorded("chat.json"))))
step("over the rate", lambda: dump(slow.chat.completions.create(
    model="gpt-4", messages=SAY, extra_headers=recorded("chat.json"))))
step("after a refusal", lambda: dump(client.chat.completions.create(
    model="gpt-3.5-turbo", messages=SAY, extra_headers=recorded("chat.json"))))
json.dump(steps, sys.stdout, indent=1, sort_keys=True)
