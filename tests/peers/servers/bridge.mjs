// Puts a stdio MCP server behind streamable HTTP with nothing but the official SDK: one process per
// session, messages passed on as they are. It is what "direct" means for servers without HTTP.
//
//   bridge.mjs PORT COMMAND [ARGS..]
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const [port, command, ...args] = process.argv.slice(2);
const sessions = new Map();

async function open() {
  const child = new StdioClientTransport({ command, args, stderr: 'ignore' });
  const http = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: id => void sessions.set(id, http),
    onsessionclosed: id => void sessions.delete(id),
    enableJsonResponse: true, // as the gate answers a call during which nothing else is said
    enableDnsRebindingProtection: true,
    allowedHosts: ['127.0.0.1', 'localhost'].map(host => `${host}:${port}`),
  });
  http.onmessage = message => void child.send(message);
  child.onmessage = message => void http.send(message).catch(() => {});
  http.onclose = () => void child.close();
  await http.start();
  await child.start();
  return http;
}

createServer(async (request, response) => {
  const id = request.headers['mcp-session-id'];
  if (id && !sessions.has(id)) {
    const error = { code: -32001, message: 'Session not found' };
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error }));
    return;
  }
  const transport = id ? sessions.get(id) : await open();
  await transport.handleRequest(request, response);
  if (!id && !transport.sessionId) await transport.close();
}).listen(Number(port), '127.0.0.1');
