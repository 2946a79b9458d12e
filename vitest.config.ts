import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Those that take longest, longest first: begun last, one of them would be left alone at the end. */
const LONG = [
  "console",
  "faults",
  "k6",
  "verifier",
  "fence",
  "rebuild",
  "demos",
  "inflow",
  "report",
  "rankings-dark",
  "stack",
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const name = moduleId.slice(moduleId.lastIndexOf("/") + 1).replace(/\.test\.ts$/, "");
      return LONG.includes(name) ? LONG.indexOf(name) : LONG.length;
    };
    return [...files].sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  plugins: [
    {
      name: "lua-as-text",
      load(id) {
        return id.endsWith(".lua") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : undefined;
      },
    },
  ],
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/setup/stack.ts"],
    // Against what hangs, and nothing else: no test fails because a machine is slow.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores. Three workers are done a sixth sooner, and what answers within 600 ms by design then sometimes does not.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
});
