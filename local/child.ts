import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer } from "node:net";

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** File descriptor for its output. */
  readonly output: number;
  /** Resolves when it serves. Rejects to give up the start. */
  readonly ready: (process: ChildProcess) => Promise<void>;
  /** A Node program: it hears from us over IPC, and ends when we do. */
  readonly node: boolean;
  /** How long after an unexpected end it is started again, in milliseconds. */
  readonly restartMs: number;
  /** Called with its pid, at the start and after each restart. */
  readonly onStart?: (pid: number) => void;
}

/** One process of the stack: started, started again when it dies (as AWS replaces a node), and stopped for good. */
export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it, also after a stop, and waits until it serves. Throws when it ends before that. */
  async start(): Promise<void> {
    this.#stopping = false;
    const { name, command, args, env, output, ready, node, onStart } = this.#options;
    const child = spawn(command, args, {
      env: env ?? process.env,
      stdio: ["ignore", output, output, ...(node ? (["ipc"] as const) : [])],
      // Out of the terminal's process group: Ctrl-C reaches the stack, and the stack stops its parts in order.
      detached: true,
    });
    this.#process = child;
    const ended = new Promise<never>((_, reject) => {
      child.once("error", (error) => reject(new Error(`${name} could not be started: ${error.message}`)));
      child.once("exit", (code, signal) =>
        reject(new Error(`${name} ended while starting (${signal ?? `status ${code}`})`)),
      );
    });
    ended.catch(() => {});
    await Promise.race([ready(child), ended]);
    child.once("exit", () => this.#again());
    if (child.exitCode !== null || child.signalCode !== null) this.#again();
    else onStart?.(this.pid);
  }

  #again(): void {
    if (this.#stopping) return;
    this.#timer = setTimeout(() => {
      this.start().catch(() => this.#again());
    }, this.#options.restartMs);
  }

  /** Tells a Node program something over IPC. */
  tell(message: object): void {
    if (this.#process?.connected) this.#process.send(message);
  }

  /** Ends it: asks, then after `graceMs` insists. Safe to call twice. */
  async stop(graceMs = 3_000): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    // A process that was paused by a fault drill hears nothing until it goes on.
    child.kill("SIGCONT");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await ended;
    clearTimeout(timer);
  }
}

/** Readiness of a Node program of ours: it says `{ ready: true }` over IPC, or `{ error }`. */
export function saysReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("message", (message: { ready?: boolean; error?: string }) => {
      if (message.ready) resolve();
      else reject(new Error(message.error ?? "said neither ready nor why not"));
    });
  });
}

/** Readiness of a server: something listens at its port. */
export function listens(port: number): (child: ChildProcess) => Promise<void> {
  const attempt = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
  return async (child) => {
    // A program that could not be spawned, or has ended, will never listen. Its end is what the start fails with; this
    // only stops to ask, and never says ready.
    const mayStill = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    while (!(await attempt())) {
      if (!mayStill()) return new Promise(() => {});
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    return undefined;
  };
}

/** A port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
