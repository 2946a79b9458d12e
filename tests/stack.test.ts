import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "../local/stack.ts";
import { readStackFile, type StackFile } from "../local/stack-file.ts";
import { client, eventually } from "./setup/client.ts";

/** `npm start`'s own program, as a process that is started and stopped for real. */

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firstcome-stack-"));
  started = [];
});
afterEach(async () => {
  for (const child of started) await end(child);
  rmSync(folder, { recursive: true, force: true });
});

const gone = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

const exited = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => (gone(child) ? resolve(child.exitCode) : child.once("exit", resolve)));

async function end(child: ChildProcess): Promise<number | null> {
  if (!gone(child)) child.kill("SIGTERM");
  return exited(child);
}

function start(env: Record<string, string> = {}): { child: ChildProcess; said: () => string } {
  const child = spawn(process.execPath, ["--import", join(ROOT, "local/register.mjs"), join(ROOT, "local/start.ts")], {
    env: { ...process.env, PORT: "0", FIRSTCOME_STACK: join(folder, "stack.json"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    text += chunk;
  });
  started.push(child);
  return { child, said: () => text };
}

const ready = () =>
  eventually(
    async () => readStackFile(join(folder, "stack.json")),
    (file) => file !== undefined,
  ) as Promise<StackFile>;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("npm start", () => {
  it("is ready with an open sample campaign, says what to type, and on SIGTERM stops everything it started", async () => {
    const { child, said } = start();
    const stack = await ready();
    const { status, body } = await client(stack.api).call("GET", "/campaigns/sample");
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: "open", stock: 100 });
    await eventually(
      async () => said(),
      (text) => text.includes("Ctrl-C stops everything"),
    );
    const pids = Object.values(stack.pids);
    expect(Object.keys(stack.pids).sort()).toEqual(["api", "cloudwatch", "dynamodb", "redis", "sqs", "worker"]);
    expect(await end(child)).toBe(0);
    expect(existsSync(join(folder, "stack.json"))).toBe(false);
    expect(pids.filter(alive)).toEqual([]);
  });

  it("leaves nothing behind when it is stopped while it still starts", async () => {
    const { child } = start();
    await eventually(async () => existsSync(join(folder, "stack.log")), Boolean);
    expect(await end(child)).toBe(0);
    expect(existsSync(join(folder, "stack.json"))).toBe(false);
  });

  it("ends its parts when it is killed itself", async () => {
    const { child } = start();
    const stack = await ready();
    child.kill("SIGKILL");
    await eventually(
      async () => Object.values(stack.pids).filter(alive),
      (left) => left.length === 0,
    );
  });

  it("refuses to run beside itself, and on a port that is taken, and says what to do", async () => {
    start();
    await ready();
    const second = start();
    expect(await exited(second.child)).toBe(1);
    expect(second.said()).toMatch(/running already .* FIRSTCOME_STACK=/);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const third = start({ PORT: String(port), FIRSTCOME_STACK: join(folder, "other.json") });
    expect(await exited(third.child)).toBe(1);
    expect(third.said()).toContain(`Port ${port} is taken. PORT=0 npm start`);
    server.close();
  });

  it("with FIRSTCOME_DATA keeps campaigns, coupons and tokens over a restart; without it starts fresh", async () => {
    const data = join(folder, "data");
    const first = start({ FIRSTCOME_DATA: data });
    let shop = client((await ready()).api);
    const ann = await shop.token("ann");
    const id = await shop.campaign();
    const coupon = await shop.ask(id, ann);
    await eventually(
      () => shop.mine(id, ann),
      ({ body }) => body.items[0].state === "confirmed",
    );
    await end(first.child);

    const second = start({ FIRSTCOME_DATA: data });
    shop = client((await ready()).api);
    // A server that was started again is not trusted to have everything: the campaign is recovered first, by itself.
    await eventually(
      () => shop.call("GET", `/campaigns/${id}`),
      ({ body }) => body.state === "open",
    );
    expect((await shop.ask(id, ann)).body).toEqual(coupon.body);
    expect((await shop.mine(id, ann)).body.items[0].state).toBe("confirmed");
    expect((await shop.ask(id, await shop.token("ben"))).body.ticket).toBe(2);
    await end(second.child);

    start();
    shop = client((await ready()).api);
    expect((await shop.call("GET", `/campaigns/${id}`)).status).toBe(404);
  });
});
