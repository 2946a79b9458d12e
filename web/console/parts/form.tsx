import { effect, type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import ko from "zod/v4/locales/ko.js";
import { Problem } from "../api.ts";
import { language } from "../language.ts";
import { t as own } from "../texts/form.ts";
import { t } from "../texts/shell.ts";
import { Trouble } from "./trouble.tsx";

/** What the schemas say of a mistake, in the page's language; what a contract says in words of its own is English everywhere. */
const LOCALES = { en, ko } as const;
effect(() => {
  z.config(LOCALES[language.value]());
});

/** What is wrong with a field, by the field's path as the API names it: `weights.view`. */
export type Wrong = Readonly<Record<string, string>>;

export interface FormProps {
  /** The schema of the API's own contract: the form takes what the API takes, and says what the API would say. */
  readonly schema: z.ZodMiniType;
  /** The request's body, of what stands in the fields now. */
  readonly body: () => unknown;
  /** What goes into the request's path, where a field is for that, and the contract's schema of it. */
  readonly params?: { readonly schema: z.ZodMiniType; readonly of: () => unknown };
  /** Whether nothing was changed: then there is nothing to send, and the form is left. */
  readonly isUnchanged?: () => boolean;
  readonly send: (body: unknown) => Promise<void>;
  readonly submit: string;
  /** What leads away from the form; without it, the page before. */
  readonly cancel?: () => void;
  readonly children: (wrong: Wrong) => ComponentChildren;
}

/** A form whose fields are checked by the API's schema before they are sent, and by the API after. */
export function Form({ schema, body, params, isUnchanged, send, submit, cancel, children }: FormProps) {
  const wrong = useSignal<Wrong>({});
  const trouble = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const leave = cancel ?? (() => history.back());

  const onSubmit = async (event: Event) => {
    event.preventDefault();
    if (isBusy.value) return undefined;
    if (isUnchanged?.()) return leave();
    const form = event.currentTarget as HTMLFormElement;
    trouble.value = undefined;
    const raw = body();
    const checked = [params?.schema.safeParse(params.of()), schema.safeParse(raw)];
    const issues = checked.flatMap((it) => it?.error?.issues ?? []);
    wrong.value = wrongOf(issues);
    if (issues.length > 0) {
      trouble.value = withoutField(form, wrong.value);
      return focusFirst(form);
    }
    isBusy.value = true;
    try {
      await send(raw);
    } catch (error) {
      if (error instanceof Problem) {
        wrong.value = Object.fromEntries(
          error.issues
            .filter((issue) => issue.in === "body" || issue.in === "path")
            .map(({ path, message }) => [path, message]),
        );
      }
      trouble.value = error;
      focusFirst(form);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form class="fields" noValidate onSubmit={onSubmit}>
      {children(wrong.value)}
      {trouble.value !== undefined && <Trouble of={trouble.value} />}
      <div class="buttons">
        <button type="submit" class="primary" aria-disabled={isBusy.value} aria-busy={isBusy.value}>
          {submit}
        </button>
        <button type="button" onClick={leave}>
          {t("cancel")}
        </button>
      </div>
    </form>
  );
}

function wrongOf(issues: readonly { path: PropertyKey[]; message: string }[]): Wrong {
  const wrong: Record<string, string> = {};
  for (const { path, message } of issues) wrong[path.map(String).join(".")] ??= message;
  return wrong;
}

/** What is wrong beside all fields, which no field can show. */
function withoutField(form: HTMLFormElement, wrong: Wrong): Problem | undefined {
  const names = new Set([...form.elements].map((it) => it.getAttribute("name")));
  const issues = Object.entries(wrong)
    .filter(([path]) => !names.has(path))
    .map(([path, message]) => ({ in: "body", path, message }));
  if (issues.length === 0) return undefined;
  return new Problem(400, { code: "invalid", detail: own("not-sent"), issues }, null);
}

/** To the first field that is wrong, once it is marked. */
function focusFirst(form: HTMLFormElement): void {
  requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}

export interface FieldProps {
  /** The field's path in the body. */
  readonly name: string;
  readonly label: string;
  readonly value: Signal<string>;
  readonly wrong: Wrong;
  readonly hint?: string;
  readonly type?: "text" | "number" | "datetime-local";
  readonly disabled?: boolean;
}

/** A field of text, a number or a time, with what is wrong beside it. */
export function Field({ name, label, value, wrong, hint, type = "text", disabled }: FieldProps) {
  const id = useId();
  const problem = wrong[name];
  const described = [hint ? `${id}-hint` : "", problem === undefined ? "" : `${id}-wrong`].filter(Boolean).join(" ");
  const common = {
    id,
    name,
    value: value.value,
    disabled: disabled === true,
    "aria-invalid": problem !== undefined,
    "aria-describedby": described || undefined,
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
      value.value = currentTarget.value;
    },
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {type === "datetime-local" ? (
        <input type="datetime-local" step="1" {...common} />
      ) : (
        // A number that is typed wrong must reach the check as it was typed; a field of numbers would say that it is empty.
        <input type="text" inputMode={type === "number" ? "decimal" : "text"} {...common} />
      )}
      {hint && (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
      {problem !== undefined && (
        <small id={`${id}-wrong`} class="wrong">
          {problem}
        </small>
      )}
    </div>
  );
}

export interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly value: Signal<string>;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly hint?: string;
}

export function Choice({ name, label, value, options, hint }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={name}
        value={value.value}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={({ currentTarget }) => {
          value.value = currentTarget.value;
        }}
      >
        {options.map(([it, text]) => (
          <option key={it} value={it}>
            {text}
          </option>
        ))}
      </select>
      {hint && (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  );
}

export interface CheckProps {
  readonly name: string;
  readonly label: string;
  readonly value: Signal<boolean>;
}

export function Check({ name, label, value }: CheckProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={name}
        checked={value.value}
        onChange={({ currentTarget }) => {
          value.value = currentTarget.checked;
        }}
      />
      {label}
    </label>
  );
}

/** A number as it was typed: what is no number goes to the check as it is. Empty is absent. */
export function numberIn(text: string): number | string | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}

/** Text; empty is absent. */
export const textIn = (text: string): string | undefined => (text.trim() === "" ? undefined : text.trim());

/** A time of this computer, as ISO 8601 in UTC. */
export function timeIn(text: string): string | undefined {
  if (text === "") return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toISOString();
}

/** A time as a field of this computer's time takes it: `2026-11-24T10:00:00`. */
export function timeField(at: string | number): string {
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
