import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../local/child.ts";
import { leaseStack, NoStack, takeSignals } from "../local/lease.ts";
import { load } from "../local/load/load.ts";
import { parseOptions, usage } from "../local/load/options.ts";
import { readScripts } from "../local/load/scripts.ts";

const repo = fileURLToPath(new URL("../", import.meta.url));
const workshop = mkdtempSync(join(tmpdir(), "firstcome-load-"));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

/** The API of a stack that runs already, and that is not well. */
const api = createServer((_, answer) => answer.writeHead(503).end());
let apiPort: number;
beforeAll(async () => {
  apiPort = await freePort();
  await once(api.listen(apiPort, "127.0.0.1"), "listening");
});
afterAll(() => void api.close());

/** Stands for the stack: tells of the signals it gets, and may leave out a part of its work. */
const newStack = ({ starts = true, stops = true } = {}) => `
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
const { pid, env } = process;
appendFileSync("starts", env.FIRSTCOME_STACK + "\\n");
const stop = () => {
  rmSync(env.FIRSTCOME_STACK, { force: true });
  process.exit();
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    appendFileSync("stopped", signal + "\\n");
    ${stops ? "setTimeout(stop, 50);" : ""}
  });
}
console.log("Here I am");
${starts ? 'writeFileSync(env.FIRSTCOME_STACK, JSON.stringify({ api: "http://127.0.0.1:4000/port-" + env.PORT, pid }));' : ""}
setInterval(() => {}, 1000);
`;

/** A script as far as it describes itself. */
const headOf = (settings: string) =>
  `// Does something.\n//\n// Environment: API, RATE (a second), ${settings} SUMMARY (file)\n`;

/** A repo with one script, and a PATH with nothing on it but the tools given. Tools tell the log how they were called. */
function newMachine(tools: Record<string, string> = {}) {
  const root = mkdtempSync(join(workshop, "repo-"));
  const bin = join(root, "bin");
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  const addTool = (file: string, script: string) => {
    write(file, `#!/bin/sh\necho "${file} $*" >> "$LOG"\n${script}\n`);
    chmodSync(join(root, file), 0o755);
  };
  write("log", "");
  write("k6/burst.js", headOf("STOCK,"));
  write("local/register.mjs", "");
  write("local/start.ts", newStack());
  for (const [name, script] of Object.entries(tools)) addTool(join("bin", name), script);
  const env = { PATH: bin, LOG: join(root, "log"), INIT_CWD: "/home/someone" };
  const linesOf = (file: string) =>
    existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8").split("\n").filter(Boolean) : [];
  let said = "";
  return {
    root,
    env,
    write,
    addTool,
    stackRuns: (file = ".local/stack.json", port = apiPort) =>
      write(file, JSON.stringify({ api: `http://127.0.0.1:${port}`, pid: process.pid })),
    /** The stack files of those started here. */
    starts: () => linesOf("starts"),
    /** The signals that those have got. */
    signals: () => linesOf("stopped"),
    leftovers: () => readdirSync(join(root, ".local")).filter((name) => !name.endsWith(".json")),
    run: async (line: string, more: NodeJS.ProcessEnv = {}) => {
      said = "";
      const say = (text: string) => {
        said += `${text}\n`;
      };
      const surroundings = { root, env: { ...env, ...more }, answer: say, say, progressEveryMs: 20, isWatched: false };
      const status = await load(line.split(" ").filter(Boolean), surroundings);
      return { status, said };
    },
    log: () => readFileSync(join(root, "log"), "utf8").split("\n").filter(Boolean),
  };
}

const API = "--api http://127.0.0.1:1";

describe("the options of a load run", () => {
  const burst = { name: "burst", does: "Bursts.", settings: new Set(["RATE", "DURATION", "STOCK", "REPEATS"]) };
  const soak = {
    name: "soak",
    does: "Soaks.",
    settings: new Set(["RATE", "DURATION", "PER_USER", "STOCK", "REPEATS"]),
  };
  const walk = { name: "walk", does: "Walks.", settings: new Set(["RATE", "DURATION"]) };
  const parse = (line: string) => parseOptions(line.split(" ").filter(Boolean), [burst, soak, walk], "/home/someone");

  test("reach the script as its settings, and only those that were given", () => {
    expect(parse("burst")).toEqual({ options: { scripts: ["burst"], settings: {} } });
    expect(parse("all --rate 5")).toEqual({ options: { scripts: ["burst", "soak", "walk"], settings: { RATE: "5" } } });
    expect(
      parse("--rate 300 soak --duration 1m30s --stock 7 --repeats 0 --json out.json --api http://[::1]:80"),
    ).toEqual({
      options: {
        scripts: ["soak"],
        api: "http://[::1]:80",
        settings: { RATE: "300", DURATION: "1m30s", STOCK: "7", REPEATS: "0", SUMMARY: "/home/someone/out.json" },
      },
    });
  });

  test.each([
    ["", "Which script?"],
    ["brust", 'There is no script "brust".'],
    ["burst soak", 'One script at a time, not also "soak".'],
    ["burst --users 3", "--users"],
    ["burst --per-user 2", "--per-user means nothing to burst."],
    ["soak --per-user 6", "--per-user takes a whole number from 1 to 5"],
    ["all --stock 5", "--stock means nothing to walk."],
    ["all --json out.json", "--json is for one script at a time."],
    ["burst --rate", "--rate"],
    ["burst --rate 1.5", "--rate takes a whole number"],
    ["burst --rate 0", "--rate takes a whole number"],
    ["burst --stock 10000001", "--stock takes a whole number from 1 to 10000000"],
    ["burst --repeats 1.1", "--repeats takes a number from 0 to 1"],
    ["burst --duration soon", "--duration takes a time"],
    ["burst --duration 0s", "--duration takes a time"],
    ["burst --api localhost:3000", "--api takes an http:// address"],
  ])("are refused where they make no sense: %j", (line, mistake) => {
    expect(parse(line)).toEqual({ mistake: expect.stringContaining(mistake) });
  });

  test("a mistake exits 2 with the usage, before anything is looked for; help exits 0", async () => {
    const machine = newMachine();
    const mistaken = await machine.run("burst --users 3");
    expect(mistaken.status).toBe(2);
    const help = usage(readScripts(machine.root));
    expect(mistaken.said).toContain(help);
    expect(await machine.run("--help")).toEqual({ status: 0, said: `${help}\n` });
  });

  test("are listed with the scripts that know them, and the scripts with what they do", () => {
    const help = usage([burst, soak, walk]);
    expect(help).toMatch(/^ {2}soak +Soaks\.$/m);
    expect(help).toMatch(/^ {2}--stock N .*: burst, soak$/m);
    expect(help).toMatch(/^ {2}--rate N [^:]*$/m);
  });
});

describe.skipIf(process.platform === "win32")("k6", () => {
  test("is the one that FIRSTCOME_K6 names, else the one on the PATH, else the one built here", async () => {
    const machine = newMachine({ k6: "" });
    machine.addTool(".local/k6/k6", "");
    machine.addTool("mine/k6-of-mine", "");
    await machine.run(`burst ${API}`, { FIRSTCOME_K6: join(machine.root, "mine/k6-of-mine") });
    await machine.run(`burst ${API}`);
    rmSync(join(machine.root, "bin/k6"));
    await machine.run(`burst ${API}`);
    expect(machine.log().map((line) => line.split(" ")[0])).toEqual(["mine/k6-of-mine", "bin/k6", ".local/k6/k6"]);
  });

  test("that FIRSTCOME_K6 names in vain is not replaced by another", async () => {
    const machine = newMachine({ k6: "" });
    const { status, said } = await machine.run(`burst ${API}`, { FIRSTCOME_K6: "k7" });
    expect(said).toBe("FIRSTCOME_K6 names k7, and there is no such program.\n");
    expect(status).toBe(2);
    expect(machine.log()).toEqual([]);
  });

  test("is built once where there is only Go: an exact version, and signs of life while it takes", async () => {
    const copy = 'echo "flags $GOFLAGS" >> "$LOG"; /bin/sleep 0.1; /bin/cp "$(dirname "$LOG")/fake" "$GOBIN/k6"';
    const machine = newMachine({ go: `PATH=/usr/bin:/bin\n${copy}` });
    machine.addTool("fake", "");
    const first = await machine.run(`burst ${API}`, { GOFLAGS: "-mod=vendor" });
    expect(first.status).toBe(0);
    expect(first.said).toMatch(/Building k6 \(0 s\)\n.*Built k6 in 0 s\./s);
    await machine.run(`burst ${API}`);
    const [build, flags, ...runs] = machine.log();
    expect(build).toMatch(/^bin\/go install go\.k6\.io\/k6@v\d+\.\d+\.\d+$/);
    expect(flags).toBe("flags -trimpath");
    expect(runs).toEqual([expect.stringMatching(/^fake run /), expect.stringMatching(/^fake run /)]);
  });

  test("that Go could not build exits 2, with what Go said and how else to get it", async () => {
    const machine = newMachine({ go: "echo no route to the proxy >&2; exit 1" });
    const { status, said } = await machine.run(`burst ${API}`);
    expect(status).toBe(2);
    expect(said).toMatch(/no route to the proxy.*Go could not build k6\.\nInstall k6 \(https/s);
  });

  test("that cannot be had exits 2 and says how to get it", async () => {
    const { status, said } = await newMachine().run(`burst ${API}`);
    expect(status).toBe(2);
    expect(said).toMatch(/There is no k6 on this machine, and no Go.*Install k6 \(https.*FIRSTCOME_K6/s);
  });
});

describe.skipIf(process.platform === "win32")("a load run", () => {
  test("loads the running stack with the settings given, and ends with k6's own status", async () => {
    const machine = newMachine({ k6: "exit 99" });
    machine.stackRuns();
    expect(await machine.run("burst --rate 5")).toEqual({ status: 99, said: "" });
    const summary = join(machine.root, ".local/k6-burst.json");
    expect(machine.log()).toEqual([
      `bin/k6 run --no-usage-report --address  --quiet -e SUMMARY=${summary} -e RATE=5 -e API=http://127.0.0.1:${apiPort} k6/burst.js`,
    ]);
    expect([machine.starts(), machine.signals()]).toEqual([[], []]);
  });

  test("of all scripts runs each once against one stack, says how each went, and fails if one has", async () => {
    const summary = (integrity: object) => JSON.stringify({ load: { asAsked: true, faults: [] }, integrity });
    const machine = newMachine({
      k6: `for word in "$@"; do last=$word; done
case $last in
  k6/burst.js) echo '${summary({ holds: true, violations: [] })}' > .local/k6-burst.json ;;
  k6/soak.js) echo '${summary({ holds: false, violations: ["two coupons too many"] })}' > .local/k6-soak.json; exit 99 ;;
  k6/stroll.js) echo '${summary({ holds: false, violations: [], unjudged: ["one: no answer"] })}' > .local/k6-stroll.json; exit 99 ;;
  *) exit 3 ;;
esac`,
    });
    machine.write("k6/soak.js", headOf(""));
    machine.write("k6/stroll.js", headOf(""));
    machine.write("k6/walk.js", headOf(""));
    // What was left by an earlier run is not taken for this one's.
    machine.write(".local/k6-walk.json", summary({ holds: true, violations: [] }));
    const { status, said } = await machine.run("all --rate 5");
    expect(status).toBe(99);
    expect(machine.log().map((line) => line.split(" ").at(-1))).toEqual([
      ...["k6/burst.js", "k6/soak.js", "k6/stroll.js", "k6/walk.js"],
    ]);
    expect(machine.starts()).toHaveLength(1);
    expect(said).toMatch(/^burst +\d+ s +0 +holds +as asked$/m);
    expect(said).toMatch(/^soak +\d+ s +99 +VIOLATED +as asked$/m);
    expect(said).toMatch(/^stroll +\d+ s +99 +not judged +as asked$/m);
    expect(said).toMatch(/^walk +\d+ s +3 +not judged$/m);
    expect(said).toMatch(/^ {2}soak: two coupons too many\n {2}stroll: one: no answer\n {2}walk: k6 ended with 3$/m);
  });

  test("starts a stack on a free port where none runs, also where one has left its file behind, and stops it", async () => {
    const machine = newMachine({ k6: "exit 3" });
    machine.write(".local/stack.json", JSON.stringify({ api: "http://127.0.0.1:9", pid: 2 ** 30 }));
    expect(await machine.run("burst")).toMatchObject({ status: 3 });
    expect(machine.log()).toEqual([expect.stringContaining("-e API=http://127.0.0.1:4000/port-0 ")]);
    expect(machine.signals()).toEqual(["SIGTERM"]);
    expect(machine.leftovers()).toEqual([]);
  });

  test("exits 1 with what the stack said when it does not come up", async () => {
    const machine = newMachine({ k6: "" });
    machine.write("local/start.ts", 'console.error("no Redis here"); process.exit(1);');
    const { status, said } = await machine.run("burst");
    expect(status).toBe(1);
    expect(said).toMatch(/The stack ended before it was ready.*no Redis here/s);
    expect(machine.log()).toEqual([]);
    expect(machine.leftovers()).toEqual([]);
  });

  test("passes a signal on to k6 once, and stops the stack only after k6 has judged what it measured", async () => {
    const judge = 'echo judged >> "$LOG"; test -e stopped || exit 105';
    const wait = "while :; do /bin/sleep 0.02; done";
    const machine = newMachine({ k6: `trap '${judge}' TERM\necho ready >> "$LOG"\n${wait}` });
    const child = begin(machine);
    const exit = once(child, "exit");
    while (!machine.log().includes("ready")) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGTERM");
    expect(await exit).toEqual([105, null]);
    expect(machine.log().slice(1)).toEqual(["ready", "judged"]);
    expect(machine.signals()).toEqual(["SIGTERM"]);
  });

  test("that is stopped while its stack starts stops that one once, whatever it is told how often", async () => {
    const machine = newMachine({ k6: "" });
    machine.write("local/start.ts", newStack({ starts: false }));
    const child = begin(machine);
    const exit = once(child, "exit");
    while (machine.starts().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGINT");
    while (machine.signals().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGINT");
    child.kill("SIGHUP");
    expect(await exit).toEqual([130, null]);
    expect(machine.signals()).toEqual(["SIGTERM"]);
    expect(machine.log()).toEqual([]);
    expect(machine.leftovers()).toEqual([]);
  });
});

describe.skipIf(process.platform === "win32")("a leased stack", () => {
  const patience = { startMs: 20_000, stopMs: 10_000 };
  const lease = ({ root, env }: ReturnType<typeof newMachine>, more: NodeJS.ProcessEnv = {}, less = {}) => {
    const { interrupted, release } = takeSignals();
    const terms = { root, env: { ...env, ...more }, say: () => {}, interrupted };
    return leaseStack(terms, { ...patience, ...less }).finally(release);
  };

  test("is the one that FIRSTCOME_STACK names, if that runs, and is left alone", async () => {
    const machine = newMachine();
    machine.stackRuns("elsewhere/stack.json");
    const { stack, stop } = await lease(machine, { FIRSTCOME_STACK: "elsewhere/stack.json" });
    await stop();
    expect(stack.api).toBe(`http://127.0.0.1:${apiPort}`);
    expect(machine.starts()).toEqual([]);
  });

  test("is one of our own where the one that was found does not answer, and its file is left as it was", async () => {
    const machine = newMachine();
    machine.stackRuns("elsewhere/stack.json", await freePort());
    const found = readFileSync(join(machine.root, "elsewhere/stack.json"), "utf8");
    const { stack, stop } = await lease(machine, { FIRSTCOME_STACK: "elsewhere/stack.json" });
    await stop();
    expect(stack.api).toBe("http://127.0.0.1:4000/port-0");
    expect(readFileSync(join(machine.root, "elsewhere/stack.json"), "utf8")).toBe(found);
    expect(machine.starts()).toHaveLength(1);
    expect(machine.leftovers()).toEqual([]);
  });

  test("has a folder of its own, so that two at once do not meet", async () => {
    const machine = newMachine();
    const leases = await Promise.all([lease(machine), lease(machine)]);
    expect(new Set(leases.map(({ stack }) => stack.pid)).size).toBe(2);
    expect(new Set(machine.starts().map(dirname)).size).toBe(2);
    await Promise.all(leases.map(({ stop }) => stop()));
    expect(machine.leftovers()).toEqual([]);
  });

  test("is asked to stop once, and killed when it does not", async () => {
    const machine = newMachine();
    machine.write("local/start.ts", newStack({ stops: false }));
    const { stack, stop } = await lease(machine, {}, { stopMs: 1_000 });
    const stopped = stop();
    while (machine.signals().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([stopped, stop()]);
    await stop();
    expect(machine.signals()).toEqual(["SIGTERM"]);
    expect(() => process.kill(stack.pid, 0)).toThrow("ESRCH");
  });

  test("is given up when it does not come up in time, and what it and its parts have said is told", async () => {
    const machine = newMachine();
    const parts = 'writeFileSync(env.FIRSTCOME_STACK.replace("json", "log"), "no part of mine");';
    machine.write("local/start.ts", newStack({ starts: false }) + parts);
    const failure = await lease(machine, {}, { startMs: 3_000 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NoStack);
    expect(String(failure)).toMatch(/not ready within 3 s\..*no part of mine.*Here I am$/s);
    expect(machine.signals()).toEqual(["SIGTERM"]);
    expect(machine.leftovers()).toEqual([]);
  });
});

/** The same in a process of its own, which can be sent a signal. */
function begin({ root, env }: { root: string; env: NodeJS.ProcessEnv }): ChildProcess {
  const code = `
    import { load } from ${JSON.stringify(new URL("../local/load/load.ts", import.meta.url).href)};
    const silent = () => {};
    const surroundings = { root: process.argv[1], env: process.env, answer: silent, say: silent, progressEveryMs: 9, isWatched: false };
    process.exitCode = await load(["burst"], surroundings);`;
  return spawn(process.execPath, ["--input-type=module", "-e", code, root], { env, stdio: "inherit" });
}

describe("k6's scripts", () => {
  const scripts = readScripts(repo);

  test("import k6 and each other, and nothing else", () => {
    const files = readdirSync(join(repo, "k6"), { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".js"),
    );
    const imports = files.flatMap((file) => [
      ...readFileSync(join(repo, "k6", file), "utf8").matchAll(/(?:from|import) "([^"]+)"/g),
    ]);
    expect(imports.length).toBeGreaterThan(0);
    for (const [, name] of imports)
      expect(name).toMatch(/^(k6(\/\w+)?|(\.\/|\.\.\/lib\/|\.\/(lib|parts)\/)[\w-]+\.js)$/);
  });

  test("are the ones that are asked for, and each is in the help with its first line", () => {
    const names = ["burst", "everything", "one-user", "rankings", "sold-out", "sustained", "waiting-room"];
    expect(scripts.map(({ name }) => name)).toEqual(names);
    const help = usage(scripts);
    for (const { name, does } of scripts) {
      expect(does).toMatch(/^[A-Z].{20,100}\.$/);
      expect(help).toContain(`  ${name.padEnd(12)}  ${does}\n`);
    }
  });

  test.each(scripts)("$name names what it takes from its environment, no more and no less", ({ name, settings }) => {
    const text = readFileSync(join(repo, "k6", `${name}.js`), "utf8");
    const read = [...text.matchAll(/numberOf\("([A-Z_]+)"/g)].map(([, env = ""]) => env);
    expect([...settings].sort()).toEqual(["ALLOW_REMOTE", "API", "DURATION", "RATE", "SUMMARY", ...read].sort());
  });

  test.each(scripts)("$name is an open model: people come whether or not those before have been served", ({ name }) => {
    const text = readFileSync(join(repo, "k6", `${name}.js`), "utf8");
    const parts = [...text.matchAll(/"\.\/(parts\/[\w-]+\.js)"/g)].map(([, part = ""]) => part);
    expect(parts.length).toBeGreaterThan(0);
    for (const part of parts)
      expect(readFileSync(join(repo, "k6", part), "utf8")).toMatch(/\.\.\.arrivals\(|"ramping-arrival-rate"/);
  });
});
