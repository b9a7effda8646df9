/**
 * A response whose body is a file that the other end only names. This end opens the file, so its
 * bytes do not cross the wire. This module must not decide whether the file may be opened:
 * `openFile` does.
 */

import { type OpenFile, type OutboundCall, RpcError } from "./rpc_calls.ts";
import { ProtocolError } from "./frames.ts";
import type { FileReference } from "./file_types.ts";

/**
 * Resolves a call with a file as the body. If the file cannot be opened, the call fails.
 *
 * @param call the call that the response belongs to
 * @param openFile opens the file; undefined if this end accepts no file references
 * @param file the file that the other end named
 * @param createResponse makes the Response from its body
 * @param settle called when the body is over
 * @param end fails the call with a reason
 * @throws {ProtocolError} `openFile` is undefined
 */
export function respondWithFile(
  call: OutboundCall,
  openFile: OpenFile | undefined,
  file: FileReference,
  createResponse: (body: ReadableStream<Uint8Array>) => Response,
  settle: () => void,
  end: (reason: Error) => void,
): void {
  if (!openFile) {
    throw new ProtocolError("Cannot accept a response that names a file; send its bytes");
  }
  // Nothing can be cancelled before the file is open.
  call.file = { fail: () => {} };
  let read = false;
  const onBodyOver = (): void => {
    read = true;
    // An empty file is read to its end before `openFile` has resolved.
    if (!call.hasResponse) return;
    call.isReceived = true;
    settle();
  };
  openFile(file, onBodyOver).then((body) => {
    if (call.isOver) return body.fail(new RpcError("The response was cancelled"));
    call.file = body;
    call.onResponseBody?.(body);
    call.resolve(createResponse(body.stream));
    if (read) onBodyOver();
  }).catch((error) => {
    const reason = error instanceof Error ? error : new RpcError("Cannot open the file");
    call.file?.fail(reason);
    end(reason);
  });
}
