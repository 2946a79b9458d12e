/** The resources that the SST program asks for, as the mocks saw them, and how to look things up among them. */

export interface GraphResource {
  /** As Pulumi writes it: `aws:sqs/queue:Queue`, `sst:aws:Queue`. */
  readonly type: string;
  /** The logical name, which has no random part. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface Evaluation {
  readonly resources: readonly GraphResource[];
  /** What went wrong, each with its message; a sound program has none. */
  readonly errors: readonly string[];
  /** Bytes of each function's bundle, by the function's file. */
  readonly bundles: Readonly<Record<string, number>>;
}

/** Pulumi wraps what is secret in an object with this key. */
const SECRET = "4dabf18193072939515e22adb298388d";

/** The value without the wrappers of secrets. */
function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (value === null || typeof value !== "object") return value;
  if (SECRET in value) return unwrapped((value as { value?: unknown }).value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrapped(inner)]));
}

export class Graph {
  readonly #resources: readonly GraphResource[];

  constructor(resources: readonly GraphResource[]) {
    this.#resources = resources.map((it) => ({ ...it, inputs: unwrapped(it.inputs) as GraphResource["inputs"] }));
  }

  get size(): number {
    return this.#resources.length;
  }

  all(): readonly GraphResource[] {
    return this.#resources;
  }

  of(type: string): GraphResource[] {
    return this.#resources.filter((resource) => resource.type === type);
  }

  /** The inputs of one resource; undefined when the program does not make it. */
  inputs(type: string, name: string): Readonly<Record<string, unknown>> | undefined {
    return this.#resources.find((resource) => resource.type === type && resource.name === name)?.inputs;
  }
}

/** What a role's inline policy says, a statement each. */
export interface Statement {
  readonly effect: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: readonly unknown[];
}

export function statementsOf(role: GraphResource): Statement[] {
  const policies = (role.inputs.inlinePolicies ?? []) as readonly { policy: string }[];
  return policies.flatMap(({ policy }) => {
    const { statements = [] } = JSON.parse(policy) as { statements?: readonly Partial<Statement>[] };
    return statements.map(({ effect = "Allow", actions = [], resources = [], conditions = [] }) => ({
      effect,
      actions,
      resources,
      conditions,
    }));
  });
}
