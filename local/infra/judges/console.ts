import { ISSUER, saidFor } from "../evaluation.ts";
import type { Judge } from "../subject.ts";
import type { Upload } from "../uploads.ts";

/** The console's files: who reads the bucket, what is in it, and how long each may be kept. */

const FILE = "infra/console.ts";
const BUCKET = "ConsoleFiles";

/**
 * Compressed bytes of all its files together. What a first visit loads of them is less, and is measured by the browser's tests;
 * this is the guard against a library that comes in unseen.
 */
const ALL_BYTES = 180_000;

interface Statement {
  readonly effect?: string;
  readonly principals: readonly { readonly type: string; readonly identifiers: readonly string[] }[];
  readonly actions: readonly string[];
  readonly conditions?: readonly { readonly variable: string; readonly values: readonly string[] }[];
}

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

  const block = graph.inputs("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", `${BUCKET}Access`);
  for (const rule of ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"])
    findings.that(FILE, block?.[rule] === true, `the bucket may be public: ${rule} is not set.`);
  const { policy } = graph.inputs("aws:s3/bucketPolicy:BucketPolicy", `${BUCKET}Policy`) ?? {};
  const { statements } = JSON.parse(String(policy ?? '{"statements":[]}')) as { statements: readonly Statement[] };
  const allowing = statements.filter(({ effect = "Allow" }) => effect === "Allow");
  findings.equal("infra/edge.ts", "the number of those who read the bucket", allowing.length, 1);
  for (const { principals, actions, conditions = [] } of allowing) {
    const who = principals.flatMap(({ identifiers }) => identifiers);
    findings.equal("infra/edge.ts", "who reads the bucket", who, ["cloudfront.amazonaws.com"]);
    findings.equal("infra/edge.ts", "what may be done with the bucket", actions, ["s3:GetObject"]);
    findings.that(
      "infra/edge.ts",
      conditions.some(
        ({ variable, values }) =>
          variable === "AWS:SourceArn" && values.every((arn) => arn.endsWith("/EdgeDistribution")),
      ),
      "every distribution of every account may read the bucket.",
    );
  }
  findings.that(
    "infra/edge.ts",
    statements.some(
      ({ effect, conditions = [] }) => effect === "Deny" && conditions[0]?.variable === "aws:SecureTransport",
    ),
    "the bucket can be read without TLS.",
  );

  const files = graph
    .of("aws:s3/bucketObjectv2:BucketObjectv2")
    .map(({ inputs }) => inputs as unknown as Uploaded)
    .filter(({ bucket }) => bucket === `${BUCKET}-id`);
  const changing = files.filter(({ cacheControl }) => cacheControl === "no-cache").map(({ key }) => key);
  findings.same(FILE, "files that change under their name", changing, ["console/index.html", "console/config.json"]);
  for (const { key, cacheControl, contentType } of files) {
    findings.that(FILE, /^console\/[\w.-]+$/.test(key), `${key} is not where the address looks for it.`);
    findings.that(FILE, contentType !== "", `${key} has no type.`);
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

const entries = (of: object) =>
  Object.entries(of)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`);
