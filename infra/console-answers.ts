/**
 * How the console's files are answered, as plain data: which of them caches keep, what a browser may do with them, and what
 * stands at the entry. No SST globals here, so that the laptop's stack and tests can read the same.
 */

/** A name with a hash of the content in it, as infra/bundle-console.ts gives them: it always means the same bytes. */
const HASHED = /-[A-Z0-9]{8}\.\w+$/;

export const isHashed = (name: string): boolean => HASHED.test(name);

/** Hashed files for a year; the page and its settings are asked for anew each time, and answered with 304 where nothing changed. */
export const cacheControlOf = (name: string): string =>
  isHashed(name) ? "public, max-age=31536000, immutable" : "no-cache";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
};

/** Throws for an ending that is not listed: `nosniff` would make a browser refuse a file of the wrong type. */
export function contentTypeOf(name: string): string {
  const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
  if (type === undefined) throw new Error(`infra/console-answers.ts: no type is known for the console's ${name}.`);
  return type;
}

/**
 * What the page may load, and whom it may ask: itself, and the origins named here (the issuer, for signing in). No script or
 * style stands in the page, so neither `unsafe-inline` nor `unsafe-eval` is needed; pictures in the page's own text are the icon.
 */
export function contentSecurityPolicy(origins: readonly string[]): string {
  return [
    "default-src 'self'",
    `connect-src ${["'self'", ...origins].join(" ")}`,
    "img-src 'self' data:",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "base-uri 'none'",
  ].join("; ");
}

/** The origin of an address, which is what a policy can name. */
export const originOf = (address: string): string => new URL(address).origin;

/**
 * Runs at the edge before the bucket is asked, which knows no folders: `/console` goes to `/console/`, and that is the page.
 * Written in the language of CloudFront's functions (ECMAScript 5.1 and parts of later ones).
 */
export const consoleEntry = `function handler(event) {
  var request = event.request;
  if (request.uri === "/console") {
    return { statusCode: 308, statusDescription: "Permanent Redirect", headers: { location: { value: "/console/" } } };
  }
  if (request.uri === "/console/") request.uri = "/console/index.html";
  return request;
}
`;
