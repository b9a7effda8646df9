/**
 * An answer whose body is a file that the answering end only names: this end opens it and sends its
 * bytes past the wire. Whether the name may be opened is for `openFile` to say; nothing here looks.
 */

import type { OpenFile, OutboundCall } from "./rpc_calls.ts";
import { ProtocolError } from "./frames.ts";
import type { FileReference } from "../realm/env_files.ts";

/**
 * Answers a call with a file; a file that cannot be opened fails the call.
 *
 * @param openFile undefined where an answer may name no file
 * @param make makes the answer of its body
 * @param settle what is to be done when the body is over
 * @param end gives the call up
 * @throws {ProtocolError} there is nobody to open it
 */
export function respondWithFile(
  call: OutboundCall,
  openFile: OpenFile | undefined,
  file: FileReference,
  make: (body: ReadableStream<Uint8Array>) => Response,
  settle: () => void,
  end: (reason: Error) => void,
): void {
  if (!openFile) throw new ProtocolError("Cannot take an answer that names a file");
  // Until it is open there is nothing to break off.
  call.file = { fail: () => {} };
  let read = false;
  const over = (): void => {
    read = true;
    // An empty file is over before it is open.
    if (!call.hasResponse) return;
    call.isReceived = true;
    settle();
  };
  openFile(file, over).then((body) => {
    if (call.isOver) return body.fail(new Error("The response is not wanted any more"));
    call.file = body;
    call.resolve(make(body.stream));
    if (read) over();
  }).catch((error) => {
    const reason = error instanceof Error ? error : new Error("The file cannot be opened");
    call.file?.fail(reason);
    end(reason);
  });
}
