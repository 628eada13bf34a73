"""The Python MCP SDK 2.x against an MCP server: prints what each step came to.

    mcp2.py URL legacy|auto|2026-07-28 [resume]
    mcp2.py --stdio legacy|auto|2026-07-28 COMMAND [ARGS..]
"""

import contextlib
import sys
import uuid
import warnings

import anyio
from mcp import Client, StdioServerParameters, types

from transcript import BEGUN_SECONDS, Transcript, plain, tools_listed

warnings.filterwarnings("ignore")
SAID, LOGGED = [], []


async def sample(context, params):
    SAID.append(plain(params))
    words = f"Paris, you asked {params.messages[0].content.text}"
    return types.CreateMessageResult(role="assistant", model="peer", content=types.TextContent(type="text", text=words))


async def elicit(context, params):
    SAID.append(plain(params))
    known = {"username": "ada", "email": "ada@example.com", "name": "ada", "color": "green", "ok": True,
             "context": "none"}
    wanted = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content={key: known[key] for key in wanted})


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada")])


async def logged(params):
    LOGGED.append(params.data)


async def with_progress(client):
    seen = []

    async def progress(done, total, message):
        seen.append([done, total])

    result = await client.call_tool("test_tool_with_progress", {}, progress_callback=progress)
    return {"progress": seen, "result": plain(result)}


async def logging(client):
    result = await client.call_tool("test_tool_with_logging", {})
    return {"logged": LOGGED[-3:], "result": plain(result)}


async def cancel(client):
    """Leaving the scope of a call cancels it: a notification, or (2026-07-28) hanging up."""
    begun, what = anyio.Event(), uuid.uuid4().hex

    async def progress(done, total, message):
        begun.set()

    async with anyio.create_task_group() as group:
        async def call():
            with contextlib.suppress(Exception):
                await client.call_tool("slow", {"what": what}, progress_callback=progress)

        group.start_soon(call)
        with anyio.move_on_after(BEGUN_SECONDS):  # an answer without a stream tells no progress
            await begun.wait()
        group.cancel_scope.cancel()
    return await client.call_tool("was_cancelled", {"what": what})


async def connected(client):
    return {"version": client.protocol_version, "server": plain(client.server_info),
            "capabilities": plain(client.server_capabilities)}


async def run(client, script, resume):
    step = script.step
    modern = client.protocol_version >= "2026"
    await step("connect", lambda: connected(client))

    async def tools():
        return tools_listed(await client.list_tools())

    await step("tools", tools)
    await step("add", lambda: client.call_tool("add", {"a": 2, "b": 40}))
    for name in ("test_image_content", "test_multiple_content_types", "test_error_handling", "no_such_tool"):
        await step(name, lambda: client.call_tool(name, {}))
    await step("progress", lambda: with_progress(client))
    await step("logging", lambda: logging(client))
    await step("cancel", lambda: cancel(client))
    if modern:
        for name in ("elicitation", "sampling", "list_roots", "multiple_inputs", "multi_round"):
            await step(f"input {name}", lambda: client.call_tool(f"test_input_required_result_{name}", {}))
        await step("input prompt", lambda: client.get_prompt("test_input_required_result_prompt"))
        await step("header", lambda: client.call_tool("test_custom_header", {"region": "eu-west"}))
    else:
        await step("ping", client.send_ping)
        await step("sampling", lambda: client.call_tool("test_sampling", {"prompt": "What is the capital of France?"}))
        await step("elicitation", lambda: client.call_tool("test_elicitation", {"message": "Who are you?"}))
        await step("subscribe", lambda: client.subscribe_resource("test://watched-resource"))
        await step("log level", lambda: client.set_logging_level("warning"))
    await step("resources", client.list_resources)
    await step("templates", client.list_resource_templates)
    for uri in ("test://static-text", "test://static-binary", "test://template/7/data", "test://missing"):
        await step(f"read {uri}", lambda: client.read_resource(uri))
    await step("prompts", client.list_prompts)
    await step("prompt", lambda: client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}))
    await step("complete", lambda: client.complete(
        types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments"), {"name": "arg1", "value": "par"}))
    if resume:
        await step("resume", lambda: client.call_tool("test_reconnection", {}))
    await step("refund of 10", lambda: client.call_tool("refund", {"order": "o1", "amount": 10}))
    await step("refund of 900", lambda: client.call_tool("refund", {"order": "o2", "amount": 900}))
    await step("secret", lambda: client.call_tool("secret", {}))
    await step("after a refusal", lambda: client.call_tool("add", {"a": 1, "b": 1}))
    script.steps["asked by the server"] = SAID


async def main(arguments):
    script = Transcript()
    server, mode = arguments[0], arguments[1]
    if server == "--stdio":
        server = StdioServerParameters(command=arguments[2], args=arguments[3:])
    async with Client(server, mode=mode, sampling_callback=sample, elicitation_callback=elicit,
                      list_roots_callback=roots, logging_callback=logged, log_level="info") as client:
        await run(client, script, resume="resume" in arguments)
    script.print()


anyio.run(main, sys.argv[1:])
