"""OpenAI Agents SDK: the model's base URL and the MCP server's url are the gate's."""

import asyncio
import os

from agents import Agent, OpenAIResponsesModel, Runner
from agents.mcp import MCPServerStreamableHttp
from openai import AsyncOpenAI

MODEL_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:4100/openai")
TOOLS_URL = os.environ.get("TOOLGATE_CALCULATOR_URL", "http://127.0.0.1:4100/calculator/mcp")


async def main():
    model = OpenAIResponsesModel("gpt-5", AsyncOpenAI(base_url=MODEL_URL))
    async with MCPServerStreamableHttp({"url": TOOLS_URL}) as tools:
        agent = Agent("accountant", instructions="Calculate with your tools.", model=model, mcp_servers=[tools])
        print((await Runner.run(agent, "What is 2 + 40?")).final_output)


asyncio.run(main())
