import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";

/**
 * Stands in for SST's command line, which the components call while they are evaluated: it names the buckets of a bootstrapped
 * account, and takes the functions' bundles. It listens on this machine only and does not keep the process alive.
 */

interface BuildInput {
  readonly functionID: string;
  readonly handler: string;
  readonly bundle?: string;
}

interface Call {
  readonly method: string;
  readonly params: readonly [BuildInput];
}

/** The exports of a minified bundle stand in one statement at its end. */
const EXPORTS_HANDLER = /export\s*\{[^}]*\bhandler\b[^}]*\}/;
const HANDLER = /\bexport (?:const|async function|function) handler\b/;

export interface CommandLine {
  readonly url: string;
  /** Bytes of each bundle that was built, by the folder's name. */
  readonly bundles: Record<string, number>;
  close(): void;
}

export async function startCommandLine(root: string): Promise<CommandLine> {
  const bundles: Record<string, number> = {};

  /** A bundle that infra/functions.ts has made: it must export what Lambda calls. */
  function takeBundle({ handler, bundle = "" }: BuildInput) {
    const file = join(bundle, "index.mjs");
    const name = basename(bundle);
    const errors = !existsSync(file)
      ? [`functions/${name}.ts has no bundle at ${bundle}.`]
      : EXPORTS_HANDLER.test(readFileSync(file, "utf8"))
        ? []
        : [`functions/${name}.ts does not export "handler".`];
    if (errors.length === 0) bundles[name] = statSync(file).size;
    return { handler, out: bundle, errors, sourcemaps: [] };
  }

  /** A function as `sst dev` runs it, from its source. */
  function takeSource({ handler }: BuildInput): true {
    const file = handler.replace(/\.\w+$/, ".ts");
    const path = join(root, file);
    if (!existsSync(path)) throw new Error(`${file} is missing.`);
    if (!HANDLER.test(readFileSync(path, "utf8"))) throw new Error(`${file} does not export "handler".`);
    return true;
  }

  const answer = ({ method, params: [input] }: Call): unknown => {
    switch (method) {
      case "Provider.Aws.Bootstrap":
        return { asset: "assets", assetEcrRegistryId: "1", assetEcrUrl: "assets.example", state: "state" };
      case "Provider.Aws.Appsync":
        return { http: "events.example", realtime: "events.example" };
      case "Runtime.Build":
        return takeBundle(input);
      case "Runtime.AddTarget":
        return takeSource(input);
      default:
        throw new Error(`SST asks its command line for ${method}, and local/infra/command-line.ts has no answer.`);
    }
  };

  const server = createServer(async (request, response) => {
    let reply: { result: unknown; error: string | null };
    try {
      reply = { result: answer(JSON.parse(await text(request)) as Call), error: null };
    } catch (error) {
      reply = { result: null, error: error instanceof Error ? error.message : String(error) };
    }
    response.end(JSON.stringify(reply));
  });
  // The evaluation ends when nothing is left to do; a server that waits is nothing to do.
  server.on("connection", (socket) => socket.unref());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, bundles, close: () => server.close() };
}
