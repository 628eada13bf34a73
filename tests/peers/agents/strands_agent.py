"""Strands Agents: the model's base URL and the MCP server's url are the gate's."""

import os

from mcp.client.streamable_http import streamablehttp_client
from strands import Agent
from strands.models.openai import OpenAIModel
from strands.tools.mcp import MCPClient

MODEL_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:4100/openai")
TOOLS_URL = os.environ.get("TOOLGATE_CALCULATOR_URL", "http://127.0.0.1:4100/calculator/mcp")

model = OpenAIModel(model_id="gpt-5", client_args={"base_url": MODEL_URL})
with MCPClient(lambda: streamablehttp_client(TOOLS_URL)) as tools:
    agent = Agent(model=model, tools=tools.list_tools_sync(), callback_handler=None)
    print(agent("What is 2 + 40?"))
