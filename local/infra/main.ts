/** `npm run check:infra`: what is deployed, checked without an account. */
import { ROOT } from "../stack.ts";
import { check } from "./check.ts";
import { drill } from "./drill.ts";
import { parseOptions, usage } from "./options.ts";
import { permissionTable } from "./permission-table.ts";
import { ensurePlatform } from "./platform.ts";
import { watchTable } from "./watched.ts";

const parsed = parseOptions(process.argv.slice(2));
if ("help" in parsed) console.log(usage);
else if ("mistake" in parsed) {
  console.error(`${parsed.mistake}\n\n${usage}`);
  process.exitCode = 2;
} else {
  const { stages, permissions, alarms, drill: isDrill } = parsed.options;
  const platform = await ensurePlatform(ROOT, (step) => console.error(step));
  const startedAt = performance.now();
  const { faults, graph } = await check(ROOT, platform, stages, (line) => console.log(line));
  if (permissions && graph) console.log(`\n${permissionTable(graph)}\n`);
  if (alarms) console.log(`\n${watchTable()}\n`);
  for (const fault of faults) console.log(fault);
  if (faults.length > 0) process.exitCode = 1;
  console.log(
    `${faults.length === 0 ? "all is well" : `${faults.length} faults`}, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
  );
  if (isDrill && faults.length > 0) console.log("The drill waits until all is well.");
  else if (isDrill && !(await drill(ROOT, (line) => console.log(line)))) process.exitCode = 1;
}
