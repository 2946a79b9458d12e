import { limits } from "../limits.ts";

/** What an operator says of a room. Times in milliseconds since 1970. */
export interface RoomRules {
  readonly roomId: string;
  /** People who may be inside at once: who hold a pass, or are about to collect one. */
  readonly capacity: number;
  readonly admitPerSecond: number;
  readonly passSeconds: number;
  /** Who has not polled for one and a half of it loses the place. */
  readonly heartbeatSeconds: number;
  readonly maxWaiting?: number | undefined;
  /** Whether anyone is admitted. A room that is not open still takes people in line. */
  readonly open: boolean;
  /** Whether a pass is prolonged by polls in the second half of its life. */
  readonly renewable: boolean;
  /** Whether a pass is good for one coupon request only (and for repeating that one). */
  readonly singleUse: boolean;
  /** Before this time nobody is admitted. */
  readonly opensAt?: number | undefined;
  /** How those who came before the opening stand in line: as they came, or drawn. */
  readonly order: "arrival" | "shuffle";
  /** Other values for a time; the rules above come back by themselves. */
  readonly override?: RoomOverride | undefined;
}

export interface RoomOverride {
  readonly from?: number | undefined;
  readonly until: number;
  readonly capacity?: number | undefined;
  readonly admitPerSecond?: number | undefined;
  readonly open?: boolean | undefined;
}

/** What Redis must know of a room beside the rules. */
export interface RuleMarks {
  readonly version: number;
  /** Rises when the operator revokes all passes. */
  readonly series: number;
  /** 32 characters; blanks where no order is drawn. */
  readonly seed?: string | undefined;
}

const NONE = 0xffff_ffff;
const SEED_LENGTH = 32;
const NO_SEED = " ".repeat(SEED_LENGTH);

/**
 * The rules as the scripts read them: one GET and one unpack.
 *
 * | bytes | field | |
 * |---|---|---|
 * | 0–3 | version | rises with every change |
 * | 4–7 | series | rises when all passes are revoked |
 * | 8–15 | capacity, maxWaiting | |
 * | 16–47 | admitPerSecond, passMs, heartbeatMs, memoryMs | doubles |
 * | 48–51 | open, renewable, shuffle, singleUse | a byte each |
 * | 52–59 | opensAt | milliseconds since 1970; zero for none |
 * | 60–88 | override: from, until, admitPerSecond (below zero: none), capacity (all bits: none), open (2: none) | |
 * | 89–120 | seed | |
 */
export function packRules(rules: RoomRules, marks: RuleMarks): Buffer {
  const packed = Buffer.alloc(121);
  const { override } = rules;
  packed.writeUInt32BE(marks.version, 0);
  packed.writeUInt32BE(marks.series, 4);
  packed.writeUInt32BE(rules.capacity, 8);
  packed.writeUInt32BE(rules.maxWaiting ?? limits.roomWaitingMost, 12);
  packed.writeDoubleBE(rules.admitPerSecond, 16);
  packed.writeDoubleBE(rules.passSeconds * 1_000, 24);
  packed.writeDoubleBE(rules.heartbeatSeconds * 1_000, 32);
  packed.writeDoubleBE(limits.roomMemoryMs, 40);
  packed.writeUInt8(rules.open ? 1 : 0, 48);
  packed.writeUInt8(rules.renewable ? 1 : 0, 49);
  packed.writeUInt8(rules.order === "shuffle" ? 1 : 0, 50);
  packed.writeUInt8(rules.singleUse ? 1 : 0, 51);
  packed.writeDoubleBE(rules.opensAt ?? 0, 52);
  packed.writeDoubleBE(override?.from ?? 0, 60);
  packed.writeDoubleBE(override?.until ?? 0, 68);
  packed.writeDoubleBE(override?.admitPerSecond ?? -1, 76);
  packed.writeUInt32BE(override?.capacity ?? NONE, 84);
  packed.writeUInt8(override?.open === undefined ? 2 : Number(override.open), 88);
  packed.write(marks.seed ?? NO_SEED, 89, "latin1");
  return packed;
}

/** What the issuing function needs of a room's rules. */
export function readMarks(packed: Buffer): { series: number; singleUse: boolean } {
  return { series: packed.readUInt32BE(4), singleUse: packed.readUInt8(51) === 1 };
}
