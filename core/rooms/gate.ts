import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { neverWas } from "../known.ts";
import { limits } from "../limits.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import { memberOf } from "../member.ts";
import { epochOf, isAttached } from "./room-state.ts";
import { readMarks } from "./rules.ts";
import spendText from "./spend-pass.lua";
import { type Pass, readPass, type TokenFault } from "./token.ts";

/** Whether a pass opens a campaign, told from the pass alone. */

export const spendPass = defineScript(
  "spend-pass",
  spendText,
  ["passes", "numbers", "spent"],
  ["member", "number", "use"],
  (raw): "valid" | "spent" | "given-back" => {
    const [word] = Array.isArray(raw) ? raw : [];
    if (word === "valid" || word === "spent" || word === "given-back") return word;
    throw new UnexpectedReply("spend-pass", raw);
  },
);

/** Why somebody does not pass. For logs: the answer says only that a valid pass is needed. */
export type PassFault = TokenFault | "no-pass" | "no-room" | "revoked" | "earlier-epoch" | "spent" | "given-back";

export type Passed =
  | { readonly word: "valid" }
  | { readonly word: "pass-required"; readonly fault: PassFault }
  | { readonly word: "recovering" };

interface Facts {
  readonly epoch: number;
  readonly series: number;
  readonly singleUse: boolean;
}

type GateCtx = Pick<Ctx, "redis" | "now" | "roomKeys">;

/** What is asked for: who, where, and for what (a single-use pass is good for one such use, as often as it is repeated). */
export interface PassUse {
  readonly roomId: string;
  readonly userId: string;
  readonly token: string | undefined;
  readonly use: string;
}

/**
 * Makes the check of passes. A pass is verified by its signature; epoch and series of its room are read once a second and
 * remembered, one memory per container. Only a single-use pass costs a call to Redis of its own.
 */
export function passGate(): (ctx: GateCtx, use: PassUse) => Promise<Passed> {
  const memory = new Map<string, { facts: Facts; until: number }>();

  async function factsOf(ctx: GateCtx, roomId: string, pass: Pass): Promise<Facts | "no-room" | "recovering"> {
    const remembered = memory.get(roomId);
    // A pass of a later epoch or series than what is remembered says that the memory is old.
    const isOld = remembered && (pass.epoch > remembered.facts.epoch || pass.series > remembered.facts.series);
    if (remembered && !isOld && ctx.now() < remembered.until) return remembered.facts;
    const until = ctx.now() + limits.passFactsMemoryMs;
    const [[rules, state]] = (await ctx.redis.commands([["MGET", keys.rules(roomId), keys.state(roomId)]])) as [
      [Buffer | null, Buffer | null],
    ];
    if (!rules || !state) return (await neverWas(ctx, keys.rooms, roomId)) ? "no-room" : "recovering";
    if (!isAttached(state)) return "recovering";
    const facts = { ...readMarks(rules), epoch: epochOf(state) };
    memory.delete(roomId);
    memory.set(roomId, { facts, until });
    const [eldest] = memory.keys();
    if (memory.size > limits.rememberedRooms && eldest !== undefined) memory.delete(eldest);
    return facts;
  }

  return async (ctx, { roomId, userId, token, use }) => {
    const refuse = (fault: PassFault): Passed => ({ word: "pass-required", fault });
    if (token === undefined) return refuse("no-pass");
    const read = readPass(ctx.roomKeys, token, { roomId, userId }, ctx.now());
    if ("fault" in read) return refuse(read.fault);
    const { pass } = read;
    const facts = await factsOf(ctx, roomId, pass);
    if (facts === "recovering") return { word: "recovering" };
    if (facts === "no-room") return refuse("no-room");
    if (pass.series !== facts.series) return refuse("revoked");
    // Of before the room was lost: its holder shows it at the room, and gets what was left of it.
    if (pass.epoch !== facts.epoch) return refuse("earlier-epoch");
    if (!facts.singleUse) return { word: "valid" };
    const spent = await ctx.redis.run(
      spendPass,
      { passes: keys.passes(roomId), numbers: keys.numbers(roomId), spent: keys.spent(roomId) },
      { member: memberOf(userId), number: pass.number, use },
    );
    return spent === "valid" ? { word: "valid" } : refuse(spent);
  };
}
