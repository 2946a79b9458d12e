/**
 * Where in the console a run can be watched. Each command that holds something prints it as soon as the thing is there: for people
 * to open, and for the console's own buttons, which read it back.
 */

export type SubjectKind = "campaign" | "room" | "board";

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  /** The API whose console shows it. */
  readonly api: string;
}

const LINE = /^Watch it at (http:\/\/[^/\s]+)\/console\/#\/(campaign|room|board)s\/([a-z0-9-]+)$/;

/** @param api the address of the stack's API, which serves the console as well */
export const watchLine = (api: string, kind: SubjectKind, id: string): string =>
  `Watch it at ${new URL(api).origin}/console/#/${kind}s/${id}`;

/** @returns undefined where the line says something else */
export function readWatchLine(line: string): Subject | undefined {
  const [, api = "", kind, id = ""] = LINE.exec(line) ?? [];
  return kind === undefined ? undefined : { kind: kind as SubjectKind, id, api };
}
