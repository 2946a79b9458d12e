import { defineScript, UnexpectedReply } from "../lua.ts";
import advanceText from "./advance.lua";
import carryText from "./carry-categories.lua";
import compareText from "./compare.lua";
import doneText from "./done.lua";
import drainText from "./drain.lua";
import fillText from "./fill.lua";
import openText from "./open-shard.lua";
import pointText from "./point.lua";
import putScoresText from "./put-scores.lua";
import rankText from "./rank.lua";
import takeText from "./take.lua";

/** The scripts of rankings but for those that count events, which stand alone so that their functions carry nothing else. */

function words(raw: unknown): [string, ...unknown[]] {
  if (!Array.isArray(raw)) return ["", raw];
  const [word, ...rest] = raw as unknown[];
  return [Buffer.isBuffer(word) ? word.toString() : String(word), ...rest];
}

/** A reply that is one of these words and nothing else. */
function wordOf<const W extends string>(script: string, ...known: W[]): (raw: unknown) => W {
  return (raw) => {
    const [word] = words(raw);
    if (!known.includes(word as W)) throw new UnexpectedReply(script, raw);
    return word as W;
  };
}

export const openShard = defineScript(
  "open-shard",
  openText,
  ["origin", "marks"],
  ["minutes", "quarters", "hours"],
  wordOf("open-shard", "opened", "found"),
);

export const advance = defineScript(
  "advance",
  advanceText,
  ["origin", "marks", "slots"],
  ["minutes", "quarters", "hours"],
  (
    raw,
  ):
    | { word: "advanced"; slots: string[]; marks: number[]; isSameServer: boolean; faults: number }
    | { word: "missing" } => {
    const [word, slots, marks, server, faults] = words(raw);
    if (word === "missing") return { word };
    if (word !== "advanced") throw new UnexpectedReply("advance", raw);
    return {
      word,
      slots: String(slots).split(" ").filter(Boolean),
      marks: String(marks).split(" ").map(Number),
      isSameServer: Number(server) === 1,
      faults: Number(faults),
    };
  },
);

export const drain = defineScript(
  "drain",
  drainText,
  ["marks", "slots", "leaving", "into", "products", "totals", "dirty"],
  ["tier", "slot", "intoUntil", "cursor", "most"],
  (
    raw,
  ):
    | { word: "more"; cursor: string; taken: number }
    | { word: "drained"; taken: number }
    | { word: "lost"; count: number }
    | { word: "early" } => {
    const [word, ...facts] = words(raw);
    switch (word) {
      case "more":
        return { word, cursor: String(facts[0]), taken: Number(facts[1]) };
      case "drained":
        return { word, taken: Number(facts[0]) };
      case "lost":
        return { word, count: Number(facts[0]) };
      case "early":
        return { word };
      default:
        throw new UnexpectedReply("drain", raw);
    }
  },
);

export const take = defineScript(
  "take",
  takeText,
  ["origin", "claim", "dirty", "list", "products"],
  ["scorer", "most"],
  (
    raw,
  ):
    | { word: "taken"; products: { productId: string; record: Buffer | null }[] }
    | { word: "overtaken" | "missing" } => {
    const [word, ...pairs] = words(raw);
    if (word === "overtaken" || word === "missing") return { word };
    if (word !== "taken") throw new UnexpectedReply("take", raw);
    const products = Array.from({ length: pairs.length / 2 }, (_, i) => ({
      productId: String(pairs[2 * i]),
      record: (pairs[2 * i + 1] ?? null) as Buffer | null,
    }));
    return { word, products };
  },
  true,
);

export const putScores = defineScript(
  "put-scores",
  putScoresText,
  ["claim", "hour", "day", "week", "trending"],
  ["scorer", "rows"],
  wordOf("put-scores", "put", "overtaken"),
);

export const done = defineScript(
  "done",
  doneText,
  ["claim", "list"],
  ["scorer", "rows"],
  wordOf("done", "done", "overtaken"),
);

export const fill = defineScript(
  "fill",
  fillText,
  ["origin", "claim", "built", "products", "remaining"],
  ["scorer", "begun", "listed", "cursor", "most"],
  (raw): { word: "filled"; cursor: string } | { word: "overtaken" | "missing" } => {
    const [word, cursor] = words(raw);
    if (word === "overtaken" || word === "missing") return { word };
    if (word !== "filled") throw new UnexpectedReply("fill", raw);
    return { word, cursor: String(cursor) };
  },
);

export const carryCategories = defineScript(
  "carry-categories",
  carryText,
  ["origin", "from", "products", "dirty"],
  ["cursor", "most"],
  (raw): { word: "carried"; cursor: string; count: number } | { word: "missing" } => {
    const [word, cursor, count] = words(raw);
    if (word === "missing") return { word };
    if (word !== "carried") throw new UnexpectedReply("carry-categories", raw);
    return { word, cursor: String(cursor), count: Number(count) };
  },
);

export const rank = defineScript(
  "rank",
  rankText,
  ["scores"],
  ["score", "product"],
  (raw): { word: "counted"; ahead: number; of: number } => {
    const [word, ahead, of] = words(raw);
    if (word !== "counted") throw new UnexpectedReply("rank", raw);
    return { word, ahead: Number(ahead), of: Number(of) };
  },
);

export const point = defineScript(
  "point",
  pointText,
  ["pointer"],
  ["edition", "revision", "generation", "content"],
  wordOf("point", "pointed", "overtaken"),
);

export const compare = defineScript(
  "compare",
  compareText,
  ["oneFence", "oneMarks", "oneTotals", "twoFence", "twoMarks", "twoTotals"],
  ["group"],
  wordOf("compare", "equal", "different", "apart"),
);
