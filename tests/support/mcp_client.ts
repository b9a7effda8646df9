/**
 * The official clients of the Model Context Protocol, MIT licence: `@modelcontextprotocol/sdk` 1.32.2
 * speaks the versions with sessions, `@modelcontextprotocol/client` 2.4.0 also the stateless one. The
 * server does not load them, so they are not in the lock file.
 */

export { Client as SessionClient } from "npm:@modelcontextprotocol/sdk@1.32.2/client/index.js";
export {
  StreamableHTTPClientTransport as SessionTransport,
} from "npm:@modelcontextprotocol/sdk@1.32.2/client/streamableHttp.js";
export { ResourceUpdatedNotificationSchema } from "npm:@modelcontextprotocol/sdk@1.32.2/types.js";
export {
  Client as StatelessClient,
  StreamableHTTPClientTransport as StatelessTransport,
} from "npm:@modelcontextprotocol/client@2.4.0";
