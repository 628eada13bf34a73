"""What the server of `suite.py` lists: tools, resources, prompts, and the smallest image and sound.

Names and schemas are those the conformance suite's scenarios look for; the last six tools are for the
SDK clients of this folder.
"""

PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

NONE = {"type": "object", "properties": {}}


def form(required=None, **properties):
    """An object schema; every property is required unless said otherwise."""
    needed = list(properties) if required is None else required
    made = {"type": "object", "properties": properties}
    return {**made, "required": needed} if needed else made


def titled(*pairs):
    return [{"const": value, "title": title} for value, title in pairs]


def enum_schema():
    """The five ways a form may offer a choice (SEP-1330)."""
    options = ["option1", "option2", "option3"]
    return form(
        required=[],
        untitledSingle={"type": "string", "enum": options},
        titledSingle={"type": "string", "oneOf": titled(
            ("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option"))},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"]},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
        titledMulti={"type": "array", "items": {"anyOf": titled(
            ("value1", "First Choice"), ("value2", "Second Choice"), ("value3", "Third Choice"))}})


SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", "type": "object",
                          "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
                   "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                   "phone": {"type": "string"}, "email": {"type": "string"}},
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]}, "else": {"required": ["email"]}, "additionalProperties": False,
}


def tool(name, description, schema=None, **more):
    return {"name": name, "description": description, "inputSchema": schema or NONE, **more}


TOOLS = [
    tool("test_simple_text", "Answers with text"),
    tool("test_image_content", "Answers with an image"),
    tool("test_audio_content", "Answers with a sound"),
    tool("test_embedded_resource", "Answers with a resource"),
    tool("test_multiple_content_types", "Answers with text, an image and a resource"),
    tool("test_tool_with_logging", "Sends three log messages"),
    tool("test_error_handling", "Always fails"),
    tool("test_tool_with_progress", "Reports progress three times"),
    tool("test_sampling", "Asks the client's model", form(prompt={"type": "string"})),
    tool("test_elicitation", "Asks the client's user", form(message={"type": "string"})),
    tool("test_elicitation_sep1034_defaults", "Asks with defaults"),
    tool("test_elicitation_sep1330_enums", "Asks with choices"),
    tool("test_reconnection", "Hangs up before it answers"),
    tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", SCHEMA_2020_12),
    tool("test_custom_header", "Has an argument that is mirrored into a header",
         form(region={"type": "string", "x-mcp-header": "Region"})),
    tool("test_missing_capability", "Needs a client that can sample"),
    tool("test_streaming_elicitation", "Asks for a name in its answer"),
    tool("test_logging_tool", "Logs when asked to"),
    tool("test_trigger_tool_change", "Tells subscribers that the tools changed"),
    tool("test_trigger_prompt_change", "Tells subscribers that the prompts changed"),
    *(tool(f"test_input_required_result_{name}", "Answers with what is still missing") for name in (
        "elicitation", "sampling", "list_roots", "request_state", "tampered_state", "multiple_inputs",
        "multi_round", "capabilities")),
    tool("add", "Adds two integers", form(a={"type": "integer"}, b={"type": "integer"}),
         outputSchema=form(sum={"type": "integer"}), annotations={"readOnlyHint": True}),
    tool("refund", "Pays money back", form(order={"type": "string"}, amount={"type": "integer"}),
         annotations={"destructiveHint": True}),
    tool("secret", "A tool that a gate conceals"),
    tool("slow", "Works until it is cancelled", form(what={"type": "string"})),
    tool("was_cancelled", "Says whether that slow call was cancelled", form(what={"type": "string"})),
]

RESOURCES = [
    {"uri": "test://static-text", "name": "static-text", "description": "A text", "mimeType": "text/plain",
     "text": "This is the content of the static text resource."},
    {"uri": "test://static-binary", "name": "static-binary", "description": "An image", "mimeType": "image/png",
     "blob": PNG},
    {"uri": "test://watched-resource", "name": "watched-resource", "description": "One to subscribe to",
     "mimeType": "text/plain", "text": "Watched"},
]

TEMPLATES = [{"uriTemplate": "test://template/{id}/data", "name": "template", "description": "Data for an id",
              "mimeType": "application/json"}]


def prompt(name, *arguments):
    return {"name": name, "description": name.replace("_", " "),
            "arguments": [{"name": one, "description": one, "required": True} for one in arguments]}


PROMPTS = [
    prompt("test_simple_prompt"), prompt("test_prompt_with_arguments", "arg1", "arg2"),
    prompt("test_prompt_with_embedded_resource", "resourceUri"), prompt("test_prompt_with_image"),
    prompt("test_input_required_result_prompt"),
]
