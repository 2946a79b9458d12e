import { ownerOf } from "./owner.ts";
import { kindOf, sizesOf } from "./stages.ts";

/** What is being deployed now: the stage, its sizes, and what the account's owner says. */
export const deployed = {
  stage: $app.stage,
  kind: kindOf($app.stage),
  sizes: sizesOf($app.stage),
  owner: ownerOf(process.env),
};

/** `firstcome-<stage>-<thing>`: names that a person finds in a console or types into a command. */
export const named = (thing: string) => `${$app.name}-${$app.stage}-${thing}`;
