import type { BoardRecord, BoardVersion } from "../../core/rankings/board-records.ts";
import type { BreakerState } from "../../core/rankings/breaker.ts";
import type { TopPage } from "../../core/rankings/read.ts";
import type { RankingsStatus } from "../../core/rankings/status.ts";
import type { Window } from "../../core/rankings/windows.ts";

/** Rankings as the contract writes them. */

const iso = (ms: number) => new Date(ms).toISOString();

const rulesView = ({ weights, halfLifeHours, size, category }: BoardVersion) => ({
  ...{ weights, halfLifeHours, size },
  ...(category === undefined ? {} : { category }),
});

const versionView = (version: BoardVersion) => ({
  ...rulesView(version),
  version: version.version,
  createdAt: iso(version.createdAt),
});

/** Of a board that has never been published, the version that is being built. */
export function boardView({ boardId, current, previous, next, displacement }: BoardRecord) {
  const shown = current ?? next;
  if (!shown) throw new Error(`board ${boardId} has no version`);
  const { version, ...rules } = { ...rulesView(shown), version: shown.version };
  return {
    ...{ boardId, state: current ? "live" : "building", ...rules, version },
    ...(previous ? { previous: versionView(previous) } : {}),
    ...(next
      ? { next: { ...versionView(next), state: next.isBuilt ? "built" : "building", takesOver: next.isToSwitch } }
      : {}),
    ...(displacement ? { displacement } : {}),
  };
}

export function topView(boardId: string, window: Window, page: TopPage) {
  const { head, source, ageMs, offset, items, next } = page;
  return {
    ...{ boardId, window, version: head.version, generation: head.generation, publishedAt: iso(head.publishedAt) },
    ...{ source, ageMs, of: head.of },
    items: items.map(({ productId, score, change }, index) => ({ rank: offset + index + 1, productId, score, change })),
    ...(next ? { cursor: Buffer.from(`${next.generation}.${next.offset}`).toString("base64url") } : {}),
  };
}

export const breakerView = ({ state, mode, since }: BreakerState) => ({
  ...{ state, mode },
  ...(since > 0 ? { since: iso(since) } : {}),
});

export function rankingsView({ editions, lastRebuild, breaker, ...rest }: RankingsStatus) {
  return {
    editions: editions.map(({ id, state, reason, openedAt, halfLives, step, rows }) => ({
      ...{ id, state, reason, openedAt: iso(openedAt), halfLives },
      ...(step === undefined ? {} : { step }),
      ...(rows === undefined ? {} : { rows }),
    })),
    ...(lastRebuild
      ? {
          lastRebuild: {
            ...lastRebuild,
            startedAt: iso(lastRebuild.startedAt),
            finishedAt: iso(lastRebuild.finishedAt),
          },
        }
      : {}),
    breaker: breakerView(breaker),
    ...rest,
  };
}
