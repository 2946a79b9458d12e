import type { IncomingHttpHeaders } from "node:http";

/**
 * Whether a request to the stack's own routes may be served. They mint tokens and kill processes for whoever asks, and the stack
 * listens on this machine only; but a page of any web site that is open in a browser here can send requests to this machine too.
 * A browser says where a request is from, and a page cannot keep it from that:
 *
 * - `Host` must be a name of this machine: a foreign name that was made to point here (DNS rebinding) is not.
 * - `Origin`, where there is one, must be the console's own.
 * - `Sec-Fetch-Site`, where there is one, must say that no other page had a hand in it. `same-site` is not enough: to a browser
 *   all ports of a host are one site.
 *
 * A program such as curl sends neither of the last two.
 */
export function isOwnPage({ host = "", origin, "sec-fetch-site": site }: IncomingHttpHeaders): boolean {
  if (!LOOPBACK.test(host)) return false;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return false;
  return site === undefined || site === "same-origin" || site === "none";
}

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i;
