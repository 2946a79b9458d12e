import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { problem } from "../functions/http/answer.ts";
import { cacheControlOf, contentSecurityPolicy, contentTypeOf } from "../infra/console-answers.ts";
import type { LocalResult } from "./gateway.ts";

/**
 * Serves the console at `/console/`, as the edge does: the same paths, caching, compression and security headers. From memory,
 * since it is a handful of files.
 */

/** As infra/ sets them at the edge; the laptop has no HTTPS to be strict about. */
const SECURITY = {
  "content-security-policy": contentSecurityPolicy([]),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const COMPRESS = { br: brotliCompressSync, gzip: gzipSync } as const;

interface Asset {
  readonly type: string;
  readonly cache: string;
  readonly bytes: Buffer;
  /** Compressed when it is first asked for: most stacks are started without anybody looking at the console. */
  readonly compressed: Map<keyof typeof COMPRESS, Buffer>;
}

const assetOf = (name: string, bytes: Buffer): Asset => ({
  type: contentTypeOf(name),
  cache: cacheControlOf(name),
  bytes,
  compressed: new Map(),
});

function bytesOf(asset: Asset, encoding: keyof typeof COMPRESS | undefined): Buffer {
  if (encoding === undefined) return asset.bytes;
  const bytes = asset.compressed.get(encoding) ?? COMPRESS[encoding](asset.bytes);
  asset.compressed.set(encoding, bytes);
  return bytes;
}

/**
 * @param folder what `bundleConsole` has written
 * @param requestId names each answer
 */
export function consoleFiles(folder: string, requestId: () => string) {
  const files = new Map(readdirSync(folder).map((name) => [name, assetOf(name, readFileSync(join(folder, name)))]));
  const config = { local: true };
  files.set("config.json", assetOf("config.json", Buffer.from(JSON.stringify(config))));

  /** @returns undefined when the path is not the console's */
  return (request: IncomingMessage, path: string): LocalResult | undefined => {
    if (path !== "/console" && !path.startsWith("/console/")) return undefined;
    const id = requestId();
    if (request.method !== "GET" && request.method !== "HEAD") {
      const refusal = { word: "method-not-allowed", detail: "The console's files are only read." } as const;
      return problem(refusal, id, 0, { allow: "GET, HEAD" });
    }
    if (path === "/console") {
      return { statusCode: 308, headers: { location: "/console/", "x-request-id": id }, body: "" };
    }
    const asset = files.get(path.slice("/console/".length) || "index.html");
    if (!asset) return problem({ word: "unknown", detail: "The console has no such file." }, id, 0);
    const accepted = String(request.headers["accept-encoding"] ?? "");
    const encoding = /\bbr\b/.test(accepted) ? "br" : /\bgzip\b/.test(accepted) ? "gzip" : undefined;
    return {
      statusCode: 200,
      headers: {
        ...SECURITY,
        "content-type": asset.type,
        "cache-control": asset.cache,
        vary: "accept-encoding",
        "x-request-id": id,
        ...(encoding ? { "content-encoding": encoding } : {}),
      },
      body: bytesOf(asset, encoding).toString("base64"),
      isBase64Encoded: true,
    };
  };
}
