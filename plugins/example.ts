/**
 * The smallest plugin: it answers a POST with what was sent, and everything else with a greeting. A
 * template for your own; `/usr/share/doc/plugins.md` says what else a plugin can ask for.
 */

/** One line for `/bin`. */
export const description = "says hello and echoes what is sent";
/** Each path, and everything below it. */
export const routes = ["/example"];
/** Who may ask at least: T1 is everyone who may read. */
export const auth = "T1";

export default {
  async fetch(request: Request): Promise<Response> {
    const echo = await request.text();
    return Response.json({ hello: "from example plugin", echo });
  },
};
