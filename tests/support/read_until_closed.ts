/** Reads a connection that the server may reset after its last bytes, because it has unread data. */

/**
 * Returns everything that a connection receives until it ends.
 *
 * @param connection an open connection; its text is UTF-8
 */
export async function readUntilClosed({ readable }: Deno.TcpConn): Promise<string> {
  let text = "";
  try {
    for await (const piece of readable.pipeThrough(new TextDecoderStream())) text += piece;
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}
