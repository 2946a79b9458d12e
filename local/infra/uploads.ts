import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";

/** A file that the program uploads, as far as a judge wants to know: the file itself is gone when it looks. */
export interface Upload {
  readonly file: string;
  readonly bytes: number;
  /** With gzip. CloudFront takes Brotli where a browser does, which is smaller. */
  readonly compressed: number;
}

/** Pulumi's word for a file on this machine. */
const hasPath = (value: unknown): value is { readonly path: string | Promise<string> } =>
  value !== null && typeof value === "object" && "path" in value;

/** The inputs of a resource, with what an uploaded file weighs in place of where it lies. */
export async function withUploads(inputs: Record<string, unknown>): Promise<Record<string, unknown>> {
  if (!hasPath(inputs.source)) return inputs;
  const path = await inputs.source.path;
  const content = readFileSync(path);
  // What is packed already is a function's code, of which nobody asks how small it can be.
  const compressed = path.endsWith(".zip") ? content.length : gzipSync(content).length;
  const source: Upload = { file: basename(path), bytes: content.length, compressed };
  return { ...inputs, source };
}
