/**
 * The smallest plugin: it answers each request with a greeting and the body of the request. A template
 * for your own; `/usr/share/doc/plugins.md` lists what else a plugin can export and use.
 */

/** One line of text for `/bin`. */
export const description = "says hello and echoes what is sent";
/** The paths that the plugin answers, each with everything below it. */
export const routes = ["/example"];
/** The lowest tier that can call the plugin; T1 needs no credential. */
export const auth = "T1";

export default {
  async fetch(request: Request): Promise<Response> {
    const echo = await request.text();
    return Response.json({ hello: "from example plugin", echo });
  },
};
