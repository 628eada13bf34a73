"""An MCP server with the tools, resources and prompts the conformance suite asks for, and a few more
that the SDK clients of this folder use.

What each of them has to answer is fixed by the suite's own scenario descriptions
(`conformance list`, package @modelcontextprotocol/conformance). One process serves both eras of the
protocol: `initialize` and sessions up to 2025-11-25, and 2026-07-28 without sessions.

    suite.py SSE_PORT JSON_PORT STATELESS_PORT    three HTTP flavours below /mcp
    suite.py --stdio                              the same server on stdin and stdout
"""

import asyncio
import itertools
import json
import sys
import warnings

import anyio
import uvicorn
from mcp import types
from mcp.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import PromptsListChanged, ToolsListChanged

from suite_data import PNG, PROMPTS, RESOURCES, TEMPLATES, TOOLS, WAV, enum_schema, form

warnings.filterwarnings("ignore")
STEP_SECONDS = 0.05
BUS = InMemorySubscriptionBus()
CANCELLED = []  # the `what` of every `slow` that a client cancelled


class Events(EventStore):
    """Keeps every event of every stream, so that a client can resume one."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.kept = {}

    async def store_event(self, stream_id, message):
        event_id = str(next(self.numbers))
        self.kept[event_id] = (stream_id, message)
        return event_id

    async def replay_events_after(self, last_event_id, send_callback):
        if last_event_id not in self.kept:
            return None
        stream = self.kept[last_event_id][0]
        for event_id, (of, message) in list(self.kept.items()):
            if int(event_id) > int(last_event_id) and of == stream and message is not None:
                await send_callback(EventMessage(message, event_id))
        return stream


def text(words, **more):
    return types.CallToolResult(content=[types.TextContent(type="text", text=words)], **more)


def content(*blocks, **more):
    return types.CallToolResult.model_validate({"content": list(blocks), **more})


def ask(requests, state=None):
    """The 2026-07-28 way to ask the client something: answer with what is missing."""
    body = {"resultType": "input_required", "inputRequests": requests}
    if state is not None:
        body["requestState"] = state
    return types.InputRequiredResult.model_validate(body)


def question(message, **properties):
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": form(**properties)}}


def sampling(prompt, max_tokens=100):
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}}


ROOTS = {"method": "roots/list", "params": {}}


def answered(params, key):
    """What the client answered under `key`, as plain JSON; None when it did not."""
    found = (params.input_responses or {}).get(key)
    if found is None:
        return None
    return found if isinstance(found, dict) else found.model_dump(mode="json", by_alias=True, exclude_none=True)


async def elicit(ctx, message, schema):
    found = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return found.action, json.dumps(found.content, sort_keys=True)


async def log(ctx, words):
    await ctx.session.send_log_message("info", words, logger="suite", related_request_id=ctx.request_id)


# ---- tools that only answer ------------------------------------------------------------------------

FIXED = {
    "test_simple_text": [{"type": "text", "text": "This is a simple text response for testing."}],
    "test_image_content": [{"type": "image", "data": PNG, "mimeType": "image/png"}],
    "test_audio_content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}],
    "test_embedded_resource": [{"type": "resource", "resource": {
        "uri": "test://embedded-resource", "mimeType": "text/plain",
        "text": "This is an embedded resource content."}}],
    "test_multiple_content_types": [
        {"type": "text", "text": "Multiple content types test:"},
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "test://mixed-content-resource",
                                          "mimeType": "application/json", "text": '{"test":"data","value":123}'}}],
}


# ---- tools that talk while they work ---------------------------------------------------------------

async def progress(ctx, args, params):
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(STEP_SECONDS)
    return text("Tool with progress completed")


async def logging(ctx, args, params):
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(ctx, words)
        await anyio.sleep(STEP_SECONDS)
    return text("Tool with logging completed")


async def sample(ctx, args, params):
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=args["prompt"]))
    found = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return text(f"LLM response: {found.content.text}")


async def elicitation(ctx, args, params):
    username = {"type": "string", "description": "User's response"}
    email = {"type": "string", "description": "User's email address"}
    action, body = await elicit(ctx, args["message"], form(username=username, email=email))
    return text(f"User response: action={action}, content={body}")


async def elicitation_defaults(ctx, args, params):
    schema = form(required=[], name={"type": "string", "default": "John Doe"}, age={"type": "integer", "default": 30},
                  score={"type": "number", "default": 95.5}, verified={"type": "boolean", "default": True},
                  status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"})
    action, body = await elicit(ctx, "Please check the defaults", schema)
    return text(f"Elicitation completed: action={action}, content={body}")


async def elicitation_enums(ctx, args, params):
    action, body = await elicit(ctx, "Please choose", enum_schema())
    return text(f"Elicitation completed: action={action}, content={body}")


async def reconnection(ctx, args, params):
    """Hangs up in the middle; the client comes back with Last-Event-ID for the rest."""
    if ctx.close_sse_stream:
        await ctx.close_sse_stream()
    await anyio.sleep(2 * STEP_SECONDS)
    return text("Reconnection test completed")


async def slow(ctx, args, params):
    try:
        await ctx.session.report_progress(1, 2)
        await anyio.sleep(30)
    except anyio.get_cancelled_exc_class():
        CANCELLED.append(args["what"])
        raise
    return text("nobody cancelled this")


# ---- tools of 2026-07-28: what is missing is asked for in the answer -------------------------------

async def mrtr_elicitation(ctx, args, params):
    found = answered(params, "user_name")
    if not found or found.get("action") != "accept":
        return ask({"user_name": question("What is your name?", name={"type": "string"})})
    return text(f"Hello, {found['content']['name']}!")


async def mrtr_sampling(ctx, args, params):
    found = answered(params, "capital_question")
    return text(f"The model said {found['content']['text']}") if found else ask(
        {"capital_question": sampling("What is the capital of France?")})


async def mrtr_roots(ctx, args, params):
    found = answered(params, "client_roots")
    return text(f"Roots: {[root['uri'] for root in found['roots']]}") if found else ask({"client_roots": ROOTS})


async def mrtr_state(ctx, args, params):
    if answered(params, "confirm") and params.request_state == "confirming":
        return text("state-ok")
    return ask({"confirm": question("Please confirm", ok={"type": "boolean"})}, "confirming")


async def mrtr_many(ctx, args, params):
    wanted = {"user_name": question("What is your name?", name={"type": "string"}),
              "greeting": sampling("Generate a greeting", 50), "client_roots": ROOTS}
    if params.request_state == "many" and all(answered(params, key) for key in wanted):
        return text("All answered")
    return ask(wanted, "many")


async def mrtr_rounds(ctx, args, params):
    if params.request_state == "two" and answered(params, "step2"):
        return text("Both rounds done")
    if params.request_state == "one" and answered(params, "step1"):
        return ask({"step2": question("Step 2: What is your favorite color?", color={"type": "string"})}, "two")
    return ask({"step1": question("Step 1: What is your name?", name={"type": "string"})}, "one")


async def mrtr_capabilities(ctx, args, params):
    had = ctx.session.client_capabilities
    wanted = {}
    if had and had.sampling is not None:
        wanted["capital_question"] = sampling("What is the capital of France?")
    if had and had.elicitation is not None:
        wanted["user_name"] = question("What is your name?", name={"type": "string"})
    return ask(wanted) if wanted else text("Nothing to ask a client without capabilities")


async def missing_capability(ctx, args, params):
    had = ctx.session.client_capabilities
    if not had or had.sampling is None:
        raise MCPError(code=-32021, message="Missing required client capability",
                       data={"requiredCapabilities": {"sampling": {}}})
    return text("The client can sample")


async def tools_changed(ctx, args, params):
    await BUS.publish(ToolsListChanged())
    return text("Told the subscribers")


async def prompts_changed(ctx, args, params):
    await BUS.publish(PromptsListChanged())
    return text("Told the subscribers")


# ---- tools for the clients of this folder ----------------------------------------------------------

async def add(ctx, args, params):
    total = args["a"] + args["b"]
    return content({"type": "text", "text": json.dumps({"sum": total})}, structuredContent={"sum": total})


async def refund(ctx, args, params):
    return text(f"Refunded {args['amount']} for {args['order']}")


async def secret(ctx, args, params):
    return text("Nobody behind a gate should read this")


async def cancelled(ctx, args, params):
    for _ in range(40):
        if args["what"] in CANCELLED:
            return text("yes")
        await anyio.sleep(STEP_SECONDS)
    return text("no")


async def custom_header(ctx, args, params):
    return text(f"Region {args['region']}")


async def schema_tool(ctx, args, params):
    return text("Arguments were valid")


WORKING = {
    "test_tool_with_progress": progress, "test_tool_with_logging": logging, "test_logging_tool": logging,
    "test_sampling": sample, "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": elicitation_defaults, "test_elicitation_sep1330_enums": elicitation_enums,
    "test_reconnection": reconnection, "slow": slow,
    "test_input_required_result_elicitation": mrtr_elicitation, "test_streaming_elicitation": mrtr_elicitation,
    "test_input_required_result_sampling": mrtr_sampling, "test_input_required_result_list_roots": mrtr_roots,
    "test_input_required_result_request_state": mrtr_state, "test_input_required_result_tampered_state": mrtr_state,
    "test_input_required_result_multiple_inputs": mrtr_many, "test_input_required_result_multi_round": mrtr_rounds,
    "test_input_required_result_capabilities": mrtr_capabilities, "test_missing_capability": missing_capability,
    "test_trigger_tool_change": tools_changed, "test_trigger_prompt_change": prompts_changed,
    "add": add, "refund": refund, "secret": secret, "was_cancelled": cancelled, "test_custom_header": custom_header,
    "json_schema_2020_12_tool": schema_tool,
}


async def call_tool(ctx, params):
    if params.name == "test_error_handling":
        return text("This tool intentionally returns an error for testing", is_error=True)
    if params.name in FIXED:
        return content(*FIXED[params.name])
    if params.name not in WORKING:
        raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")
    return await WORKING[params.name](ctx, params.arguments or {}, params)


async def list_tools(ctx, params):
    return types.ListToolsResult.model_validate({"tools": TOOLS})


async def list_resources(ctx, params):
    listed = [{key: value for key, value in one.items() if key not in ("text", "blob")} for one in RESOURCES]
    return types.ListResourcesResult.model_validate({"resources": listed})


async def list_templates(ctx, params):
    return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": TEMPLATES})


async def read_resource(ctx, params):
    uri = str(params.uri)
    for one in RESOURCES:
        if one["uri"] == uri:
            kept = {key: one[key] for key in ("uri", "mimeType", "text", "blob") if key in one}
            return types.ReadResourceResult.model_validate({"contents": [kept]})
    if uri.startswith("test://template/") and uri.endswith("/data"):
        name = uri.removeprefix("test://template/").removesuffix("/data")
        body = json.dumps({"id": name, "templateTest": True, "data": f"Data for ID: {name}"})
        return types.ReadResourceResult.model_validate(
            {"contents": [{"uri": uri, "mimeType": "application/json", "text": body}]})
    raise MCPError(code=-32602, message="Resource not found", data={"uri": uri})


async def nothing(ctx, params):
    return types.EmptyResult()


async def list_prompts(ctx, params):
    return types.ListPromptsResult.model_validate({"prompts": PROMPTS})


async def get_prompt(ctx, params):
    args = params.arguments or {}

    def say(*blocks):
        return types.GetPromptResult.model_validate(
            {"messages": [{"role": "user", "content": block} for block in blocks]})

    def words(value):
        return {"type": "text", "text": value}

    if params.name == "test_simple_prompt":
        return say(words("This is a simple prompt for testing."))
    if params.name == "test_prompt_with_arguments":
        return say(words(f"Prompt with arguments: arg1='{args['arg1']}', arg2='{args['arg2']}'"))
    if params.name == "test_prompt_with_embedded_resource":
        resource = {"uri": args["resourceUri"], "mimeType": "text/plain",
                    "text": "Embedded resource content for testing."}
        return say({"type": "resource", "resource": resource}, words("Please process the embedded resource above."))
    if params.name == "test_prompt_with_image":
        return say({"type": "image", "data": PNG, "mimeType": "image/png"}, words("Please analyze the image above."))
    if params.name == "test_input_required_result_prompt":
        found = answered(params, "user_context")
        if not found:
            return ask({"user_context": question("What context should the prompt use?", context={"type": "string"})})
        return say(words(f"Context: {found['content']['context']}"))
    raise MCPError(code=-32602, message=f"Unknown prompt: {params.name}")


async def complete(ctx, params):
    known = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return types.CompleteResult.model_validate(
        {"completion": {"values": known, "total": len(known), "hasMore": False}})


def server():
    schemas = {tool["name"]: tool["inputSchema"] for tool in TOOLS}
    made = Server(
        "suite", version="1.0.0", get_tool_input_schema=schemas.get,
        on_list_tools=list_tools, on_call_tool=call_tool, on_list_resources=list_resources,
        on_list_resource_templates=list_templates, on_read_resource=read_resource,
        on_subscribe_resource=nothing, on_unsubscribe_resource=nothing, on_subscriptions_listen=ListenHandler(BUS),
        on_list_prompts=list_prompts, on_get_prompt=get_prompt, on_completion=complete,
        on_set_logging_level=nothing)
    made.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="suite"))
    return made


async def serve_http(sse, plain, stateless):
    apps = [(sse, {"event_store": Events(), "retry_interval": 20}), (plain, {"json_response": True}),
            (stateless, {"stateless_http": True})]
    running = [uvicorn.Server(uvicorn.Config(server().streamable_http_app(**how), host="127.0.0.1", port=int(port),
                                             log_level="warning")) for port, how in apps]
    await asyncio.gather(*(one.serve() for one in running))


async def serve_stdio():
    made = server()
    async with stdio_server() as (reading, writing):
        await made.run(reading, writing, made.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(serve_stdio() if sys.argv[1:] == ["--stdio"] else serve_http(*sys.argv[1:4]))
