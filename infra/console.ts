import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleConsole } from "./bundle-console.ts";
import { cacheControlOf, contentTypeOf, isHashed } from "./console-answers.ts";
import { deployed, named } from "./deployed.ts";

/**
 * The console's files, in a bucket that nobody but the edge (infra/edge.ts) reads. They stand under `console/`, as in the
 * address, and are a few hundred kilobytes: S3 costs less than a cent a month for them.
 */

export const consoleBucket = new aws.s3.Bucket("ConsoleFiles", {
  // Everything in it can be built anew.
  forceDestroy: true,
  tags: { Name: named("console") },
});

new aws.s3.BucketPublicAccessBlock("ConsoleFilesAccess", {
  bucket: consoleBucket.id,
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
});

/** Where the console runs and whom it signs in with: all that differs between two deployments of the same files. */
const { issuer, consoleClientId } = deployed.owner;
const config = { local: false, issuer, clientId: consoleClientId || undefined, scope: "openid operator" };

const built = join($cli.paths.work, "console", $app.stage);
// What an earlier build left would be uploaded with this one's.
rmSync(built, { recursive: true, force: true });
await bundleConsole({ root: $cli.paths.root, outDir: built });

function upload(
  name: string,
  what: { source: $util.asset.FileAsset } | { content: string },
  options: $util.CustomResourceOptions,
): aws.s3.BucketObjectv2 {
  const key = `console/${name}`;
  return new aws.s3.BucketObjectv2(
    `Console-${name}`,
    { bucket: consoleBucket.id, key, contentType: contentTypeOf(name), cacheControl: cacheControlOf(name), ...what },
    options,
  );
}

const names = readdirSync(built);
const fileOf = (name: string) => ({ source: new $util.asset.FileAsset(join(built, name)) });
// Kept when a later deployment has others: who has the page open may still ask for a part of it. Nothing removes them later: a rule
// by age would take current files that have not changed for long, and a thousand builds cost less than a cent a month.
const hashed = names.filter(isHashed).map((name) => upload(name, fileOf(name), { retainOnDelete: true }));
const configFile = upload("config.json", { content: JSON.stringify(config) }, {});
// The page comes last: it must not name what is not there yet.
for (const name of names.filter((it) => !isHashed(it)))
  upload(name, fileOf(name), { dependsOn: [...hashed, configFile] });
