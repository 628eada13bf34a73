"""The Python MCP SDK 1.x against an MCP server: prints what each step came to.

    mcp1.py URL [resume]    resume: the server keeps events and may hang up in the middle of an answer
    mcp1.py --stdio COMMAND [ARGS..]
"""

import contextlib
import sys
import uuid

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

from transcript import BEGUN_SECONDS, Transcript, plain, tools_listed

SAID, LOGGED = [], []


async def sample(context, params):
    SAID.append(plain(params))
    words = f"Paris, you asked {params.messages[0].content.text}"
    return types.CreateMessageResult(role="assistant", model="peer", content=types.TextContent(type="text", text=words))


async def elicit(context, params):
    SAID.append(plain(params))
    return types.ElicitResult(action="accept", content={"username": "ada", "email": "ada@example.com"})


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada")])


async def logged(params):
    LOGGED.append(params.data)


async def with_progress(session):
    seen = []

    async def progress(done, total, message):
        seen.append([done, total])

    result = await session.call_tool("test_tool_with_progress", {}, progress_callback=progress)
    return {"progress": seen, "result": plain(result)}


async def logging(session):
    result = await session.call_tool("test_tool_with_logging", {})
    return {"logged": LOGGED[-3:], "result": plain(result)}


async def cancel(session):
    """This SDK has no call for it: the notification is sent by hand, once the tool has begun."""
    begun, what = anyio.Event(), uuid.uuid4().hex

    async def progress(done, total, message):
        begun.set()

    async with anyio.create_task_group() as group:
        async def call():
            with contextlib.suppress(Exception):
                await session.call_tool("slow", {"what": what}, progress_callback=progress)

        group.start_soon(call)
        with anyio.move_on_after(BEGUN_SECONDS):  # an answer without a stream tells no progress
            await begun.wait()
        number = session._request_id - 1
        params = types.CancelledNotificationParams(requestId=number, reason="not needed any more")
        await session.send_notification(types.ClientNotification(
            types.CancelledNotification(method="notifications/cancelled", params=params)))
        found = await session.call_tool("was_cancelled", {"what": what})
        group.cancel_scope.cancel()
    return found


async def run(session, script, resume):
    step = script.step
    await step("initialize", session.initialize)
    await step("ping", session.send_ping)

    async def tools():
        return tools_listed(await session.list_tools())

    await step("tools", tools)
    await step("add", lambda: session.call_tool("add", {"a": 2, "b": 40}))
    for name in ("test_image_content", "test_multiple_content_types", "test_error_handling", "no_such_tool"):
        await step(name, lambda: session.call_tool(name, {}))
    await step("progress", lambda: with_progress(session))
    await step("logging", lambda: logging(session))
    await step("sampling", lambda: session.call_tool("test_sampling", {"prompt": "What is the capital of France?"}))
    await step("elicitation", lambda: session.call_tool("test_elicitation", {"message": "Who are you?"}))
    await step("cancel", lambda: cancel(session))
    await step("resources", session.list_resources)
    await step("templates", session.list_resource_templates)
    for uri in ("test://static-text", "test://static-binary", "test://template/7/data", "test://missing"):
        await step(f"read {uri}", lambda: session.read_resource(AnyUrl(uri)))
    await step("subscribe", lambda: session.subscribe_resource(AnyUrl("test://watched-resource")))
    await step("prompts", session.list_prompts)
    await step("prompt", lambda: session.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}))
    await step("complete", lambda: session.complete(
        types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments"), {"name": "arg1", "value": "par"}))
    await step("log level", lambda: session.set_logging_level("warning"))
    if resume:
        await step("resume", lambda: session.call_tool("test_reconnection", {}))
    await step("refund of 10", lambda: session.call_tool("refund", {"order": "o1", "amount": 10}))
    await step("refund of 900", lambda: session.call_tool("refund", {"order": "o2", "amount": 900}))
    await step("secret", lambda: session.call_tool("secret", {}))
    await step("after a refusal", lambda: session.call_tool("add", {"a": 1, "b": 1}))
    script.steps["asked by the server"] = SAID


async def main(arguments):
    script = Transcript()
    if arguments[0] == "--stdio":
        transport = stdio_client(StdioServerParameters(command=arguments[1], args=arguments[2:]))
    else:
        transport = streamable_http_client(arguments[0])
    async with transport as streams:
        async with ClientSession(streams[0], streams[1], sampling_callback=sample, elicitation_callback=elicit,
                                 list_roots_callback=roots, logging_callback=logged) as session:
            await run(session, script, resume="resume" in arguments)
    script.print()


anyio.run(main, sys.argv[1:])
