"""LangGraph (LangChain's agent on it): the model's base URL and the MCP server's url are the gate's."""

import asyncio
import os

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI

MODEL_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:4100/openai")
TOOLS_URL = os.environ.get("TOOLGATE_CALCULATOR_URL", "http://127.0.0.1:4100/calculator/mcp")


async def main():
    tools = MultiServerMCPClient({"calculator": {"transport": "streamable_http", "url": TOOLS_URL}})
    agent = create_agent(ChatOpenAI(model="gpt-5", base_url=MODEL_URL), await tools.get_tools())
    answer = await agent.ainvoke({"messages": [("user", "What is 2 + 40?")]})
    print(answer["messages"][-1].content)


asyncio.run(main())
