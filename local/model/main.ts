/** `npm run model`: an opening in AWS, on paper. */
import { writeFileSync } from "node:fs";
import { machineLine } from "../bench/machine.ts";
import { openProgress } from "../bench/progress.ts";
import { table, times } from "../bench/table.ts";
import { optionsOrStatus } from "../usage.ts";
import { measureUnits } from "./measure.ts";
import { parseOptions, USAGE } from "./options.ts";
import { predict } from "./predict.ts";
import { CLOSING, predictionText } from "./text.ts";
import { measured, type UnitName, units } from "./units.ts";
import { validate, validationText } from "./validate.ts";

function write(file: string | undefined, content: unknown): void {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}

const shown = (value: number) => (value < 100 ? value.toFixed(2) : value.toFixed(0));

async function measureHere(file: string | undefined): Promise<void> {
  const { machine, figures } = await measureUnits(openProgress(process.stderr));
  const names = Object.keys(units) as UnitName[];
  const rows = names.map((name) => [
    units[name].what,
    units[name].unit,
    shown(units[name].value),
    shown(figures[name]),
    times(figures[name] / units[name].value),
  ]);
  console.log(table([["", "", "stored", "now", "÷ stored"], ...rows]));
  console.log(`\nstored: ${measured.on}, ${measured.machine}\nnow:    ${machineLine(machine)}`);
  write(file, { machine, figures, stored: { ...measured, units } });
}

/** @returns the exit status */
async function main(argv: readonly string[]): Promise<number> {
  const parsed = optionsOrStatus(parseOptions(argv), USAGE);
  if ("status" in parsed) return parsed.status;
  const { options } = parsed;
  try {
    if (options.measure) await measureHere(options.json);
    if (options.validate) {
      const validation = await validate();
      console.log(validationText(validation));
      write(options.json, validation);
    }
    if (!options.measure && !options.validate) {
      const predictions = predict(options);
      console.log([...predictions.map(predictionText), CLOSING].join("\n"));
      write(options.json, { measured, units, predictions });
    }
    return 0;
  } catch (error) {
    process.stderr.write(`The model stopped: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

const status = await main(process.argv.slice(2));
// Written out, then gone: what a failed start has left behind must not keep the process.
process.stdout.write("", () => process.exit(status));
