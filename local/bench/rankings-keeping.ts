import type { VersionOf } from "../../core/rankings/score.ts";
import { type Cost, costOf } from "./rankings-calls.ts";
import { fullRow, shortName } from "./rankings-events.ts";
import { BOARD } from "./rankings-reads.ts";
import { boardVersion, type Stage } from "./rankings-stage.ts";
import { median } from "./rounds.ts";
import type { Bench } from "./section.ts";

/** Keeping boards' scores up: of what changed, and of a version that is new. */

export const MANY = 5;

export interface KeepCost {
  readonly seconds: number;
  /** CPU of the server's process. */
  readonly cpu: number;
}

const middle = (costs: readonly Cost[]): KeepCost => ({
  seconds: median(costs.map((it) => it.seconds)),
  cpu: median(costs.map((it) => it.cpu)),
});

export interface Keeping {
  readonly products: number;
  readonly changed: number;
  readonly one: KeepCost;
  readonly many: KeepCost;
  readonly built: KeepCost;
}

const boardNo = (index: number): VersionOf => ({
  boardId: index === 0 ? BOARD : `${BOARD}-${index}`,
  version: boardVersion(1),
});

export async function keepScores(
  { server, progress }: Bench,
  stage: Stage,
  products: number,
  rounds: number,
): Promise<Keeping> {
  const all = Array.from({ length: MANY }, (_, i) => boardNo(i));
  await progress.step(`boards: ${MANY} boards of ${products} products`, () => stage.score(all));
  const changed = products / 10;
  const rows = Array.from({ length: changed }, (_, i) => fullRow(shortName(i * 10), i * 10));
  const scoreChanged = async (versions: readonly VersionOf[]) => {
    await stage.fillShards(stage.minute, rows);
    return costOf(server, async () => {
      const scored = await stage.score(versions);
      if (scored.products !== changed) throw new Error(`${scored.products} were scored, not ${changed}`);
    });
  };
  const ones: Cost[] = [];
  const manies: Cost[] = [];
  const builds: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    await progress.step(`boards: scores, round ${round + 1} of ${rounds}`, async () => {
      // The version before the last is removed here, outside of what is measured.
      await stage.score(all);
      ones.push(await scoreChanged(all.slice(0, 1)));
      manies.push(await scoreChanged(all));
      const versions = [1 + round, 2 + round].map((version) => ({ boardId: BOARD, version: boardVersion(version) }));
      builds.push(
        await costOf(server, async () => {
          const { built } = await stage.score(versions);
          if (built.size !== versions.length) throw new Error("the new version is not built");
        }),
      );
      all[0] = versions[1] ?? boardNo(0);
    });
  }
  return { products, changed, one: middle(ones), many: middle(manies), built: middle(builds) };
}
