import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

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
    // Half of the time tests wait for processes and clocks: three keep two cores busy.
    maxWorkers: 3,
  },
});
