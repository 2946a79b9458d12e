import type { Ctx } from "../../core/context.ts";
import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import { limits } from "../../core/limits.ts";
import { scripts } from "../../core/lua.ts";
import { applyPart } from "../../core/rankings/apply.ts";
import type { BoardVersion } from "../../core/rankings/board-records.ts";
import { openShards } from "../../core/rankings/edition.ts";
import type { Edition } from "../../core/rankings/edition-records.ts";
import type { Part, Row } from "../../core/rankings/rows.ts";
import { claimShards, type Scored, score, type VersionOf } from "../../core/rankings/score.ts";
import { groupOf, SHARDS, shardOf } from "../../core/rankings/shards.ts";
import { memoryTable } from "./rankings-table.ts";
import type { Server } from "./server.ts";

/** One edition in the bench's Redis, with a clock that the bench turns, filled by the project's own code. */

export const HALF_LIFE_HOURS = 24;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
/** A full hour, not before the server's own: it deletes a bucket whose time has passed by its clock. */
export const BEGINNING_MS = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
/** Calls under way at once while a stage is filled; the server takes them one after the other. */
const AT_ONCE = 8;

type StageCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

export interface StageOptions {
  readonly id?: number;
  readonly halfLives?: readonly number[];
}

export class Stage {
  readonly edition: Edition;
  readonly ctx: StageCtx;
  nowMs = BEGINNING_MS;
  /** Of all stages, so that one that is opened again goes on. */
  static #sequence = 0;

  private constructor(redis: RedisDoor, { id = 1, halfLives = [HALF_LIFE_HOURS] }: StageOptions) {
    this.edition = { id, state: "live", cut: 0, halfLives, openedAt: BEGINNING_MS, reason: "bench" };
    this.ctx = { redis, table: memoryTable(), now: () => this.nowMs, log: () => {} };
  }

  /** Opens an edition in all shards, over one connection as a function has it. */
  static async open(server: Server, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(openRedis({ host: "127.0.0.1", port: server.port, tls: false }), options);
    // Otherwise the first call of each would be two.
    for (const { text } of scripts) await stage.ctx.redis.command("SCRIPT", "LOAD", text);
    await openShards(stage.ctx, stage.edition.id);
    return stage;
  }

  get minute(): number {
    return Math.floor(this.nowMs / MINUTE_MS);
  }

  /** Applies one part as a message of its own. Throws unless it was applied. */
  async apply(shard: number, part: Part, redis: RedisDoor = this.ctx.redis): Promise<void> {
    const sequence = String(++Stage.#sequence);
    const place = { group: groupOf(shard), sequence, part: 0, arrivedAt: this.nowMs, batch: `bench-${sequence}` };
    const { word } = await applyPart({ redis, now: this.ctx.now }, this.edition, shard, place, part);
    if (word !== "applied") throw new Error(`a part is ${word}`);
  }

  /** Counts rows of one minute, each in the shard of its product. */
  async fillShards(minute: number, rows: readonly Row[], shards: number = SHARDS.length): Promise<void> {
    for (const [shard, own] of Map.groupBy(rows, ([productId]) => shardOf(productId) % shards)) {
      await this.fill(shard, minute, own);
    }
  }

  /** Counts rows of one minute in one shard. */
  async fill(shard: number, minute: number, rows: readonly Row[]): Promise<void> {
    const step = limits.applyRows * AT_ONCE;
    for (let from = 0; from < rows.length; from += step) {
      const some = rows.slice(from, from + step);
      const parts = Array.from({ length: Math.ceil(some.length / limits.applyRows) }, (_, i) => ({
        minute,
        rows: some.slice(i * limits.applyRows, (i + 1) * limits.applyRows),
      }));
      await Promise.all(parts.map((part) => this.apply(shard, part)));
    }
  }

  /** Scores what changed and what new versions lack, to the end. */
  async score(
    versions: readonly VersionOf[],
    shards: readonly number[] = SHARDS,
    redis: RedisDoor = this.ctx.redis,
  ): Promise<Scored> {
    const ctx = { redis, now: this.ctx.now };
    const scorer = await claimShards(ctx, this.edition.id, shards);
    return score(ctx, scorer, this.edition, versions, Number.POSITIVE_INFINITY, shards);
  }

  close(): void {
    this.ctx.redis.close();
  }
}

export const boardVersion = (version: number, size = 1_000): BoardVersion => ({
  weights: { view: 1, like: 5, cart: 10, sale: 50 + version, revenue: 1 },
  halfLifeHours: HALF_LIFE_HOURS,
  ...{ size, version, createdAt: BEGINNING_MS },
});
