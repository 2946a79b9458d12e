import { ISSUER, REGION, saidFor } from "../evaluation.ts";
import type { Findings } from "../findings.ts";
import type { Graph } from "../graph.ts";
import { outputsOf } from "../mocks.ts";
import type { Judge } from "../subject.ts";
import type { Upload } from "../uploads.ts";

/** The console's files: who reads the bucket, what is in it, and how long each may be kept. */

const FILE = "infra/console.ts";
const EDGE = "infra/edge.ts";
const BUCKET = "ConsoleFiles";

/**
 * Compressed bytes of all its files together. What a first visit loads of them is less, and is measured by the browser's tests;
 * this is the guard against a library that comes in unseen.
 */
const ALL_BYTES = 180_000;

/** What each kind of file is: the edge says `nosniff`, so a browser goes by it. */
const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
};

interface Uploaded {
  readonly bucket: string;
  readonly key: string;
  readonly cacheControl: string;
  readonly contentType: string;
  readonly content?: string;
  readonly source?: Upload;
}

export const consoleFiles: Judge = ({ graph, isDev, stage }, findings) => {
  const buckets = graph.of("aws:s3/bucket:Bucket").map(({ name }) => name);
  findings.same(FILE, "buckets", buckets, isDev ? [] : [BUCKET]);
  if (isDev) return;

  // A list of grants or a website of the bucket's own would be a way around the edge.
  const objects = graph.of("aws:s3/bucketObjectv2:BucketObjectv2").length;
  const others = graph.all().filter(({ type }) => type.startsWith("aws:s3/")).length - objects;
  findings.equal(FILE, "the bucket, what keeps it private, and its policy", others, 3);
  const block = graph.inputs("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", `${BUCKET}Access`);
  findings.equal(FILE, "the bucket that is kept private", block?.bucket, `${BUCKET}-id`);
  for (const rule of ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"])
    findings.that(FILE, block?.[rule] === true, `the bucket may be public: ${rule} is not set.`);
  judgePolicy(graph, findings);

  const files = graph
    .of("aws:s3/bucketObjectv2:BucketObjectv2")
    .map(({ inputs }) => inputs as unknown as Uploaded)
    .filter(({ bucket }) => bucket === `${BUCKET}-id`);
  const changing = files.filter(({ cacheControl }) => cacheControl === "no-cache").map(({ key }) => key);
  findings.same(FILE, "files that change under their name", changing, ["console/index.html", "console/config.json"]);
  for (const { key, cacheControl, contentType } of files) {
    findings.that(FILE, /^console\/[\w.-]+$/.test(key), `${key} is not where the address looks for it.`);
    findings.equal(FILE, `${key}: type`, contentType, TYPES[key.split(".").at(-1) ?? ""] ?? "one that is known");
    if (changing.includes(key)) continue;
    findings.equal(FILE, `${key}: Cache-Control`, cacheControl, "public, max-age=31536000, immutable");
    findings.that(FILE, /-[A-Z0-9]{8}\.\w+$/.test(key), `${key} is kept for a year, and its name has no hash.`);
  }
  const ends = new Set(files.map(({ key }) => key.split(".").at(-1)));
  findings.that(FILE, ends.has("js") && ends.has("css"), "the console has no script or no style.");
  const bytes = files.reduce((sum, { source }) => sum + (source?.compressed ?? 0), 0);
  findings.that(FILE, bytes <= ALL_BYTES, `the console has ${bytes} compressed bytes; ${ALL_BYTES} are allowed.`);

  const config = files.find(({ key }) => key === "console/config.json")?.content ?? "{}";
  const clientId = saidFor(stage, "FIRSTCOME_CONSOLE_CLIENT_ID") || undefined;
  findings.same(
    FILE,
    "config.json",
    entries(JSON.parse(config)),
    entries({ local: false, issuer: ISSUER, clientId, scope: "openid operator" }),
  );
};

/** Who reads the bucket: this distribution, with TLS, and nobody else. Statements are held whole, so that none says more or less. */
function judgePolicy(graph: Graph, findings: Findings): void {
  const it = graph.inputs("aws:s3/bucketPolicy:BucketPolicy", `${BUCKET}Policy`);
  const { arn } = made("aws:s3/bucket:Bucket", BUCKET);
  const edge = made("aws:cloudfront/distribution:Distribution", "EdgeDistribution").arn;
  findings.equal(EDGE, "the bucket that has a policy", it?.bucket, `${BUCKET}-id`);
  findings.alike(EDGE, "the bucket's policy", JSON.parse(String(it?.policy ?? "{}")), {
    statements: [
      {
        principals: [{ type: "Service", identifiers: ["cloudfront.amazonaws.com"] }],
        actions: ["s3:GetObject"],
        resources: [`${arn}/*`],
        conditions: [{ test: "StringEquals", variable: "AWS:SourceArn", values: [edge] }],
      },
      {
        effect: "Deny",
        principals: [{ type: "*", identifiers: ["*"] }],
        actions: ["s3:*"],
        resources: [arn, `${arn}/*`],
        conditions: [{ test: "Bool", variable: "aws:SecureTransport", values: ["false"] }],
      },
    ],
  });
}

/** What comes of a resource that has a name only. */
const made = (type: string, name: string) => outputsOf({ type, name, inputs: {} }, REGION);

const entries = (of: object) =>
  Object.entries(of)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`);
