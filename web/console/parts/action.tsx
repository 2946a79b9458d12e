import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { t } from "../texts/shell.ts";
import { Trouble } from "./trouble.tsx";

export interface ActionProps {
  readonly children: ComponentChildren;
  readonly act: () => Promise<unknown>;
  /** What is asked before it is done; without it, it is done at once. */
  readonly confirm?: string;
  /** What is said afterwards. */
  readonly done?: string | undefined;
  readonly kind?: "primary" | "danger";
  readonly disabled?: boolean;
}

/** A button that does something at the API: busy while it does, asks first where told to, and says how it went. */
export function Action({ children, act, confirm, done, kind, disabled }: ActionProps) {
  const state = useSignal<"idle" | "busy" | "done">("idle");
  const trouble = useSignal<unknown>(undefined);
  const dialog = useRef<HTMLDialogElement>(null);

  const run = async () => {
    dialog.current?.close();
    state.value = "busy";
    trouble.value = undefined;
    try {
      await act();
      state.value = "done";
    } catch (error) {
      trouble.value = error;
      state.value = "idle";
    }
  };
  return (
    <div class="action">
      <button
        type="button"
        class={kind}
        disabled={disabled === true || state.value === "busy"}
        aria-busy={state.value === "busy"}
        onClick={confirm === undefined ? run : () => dialog.current?.showModal()}
      >
        {children}
      </button>
      <span role="status">{state.value === "done" && done ? done : ""}</span>
      {trouble.value !== undefined && <Trouble of={trouble.value} />}
      {confirm !== undefined && (
        <dialog ref={dialog} aria-label={confirm}>
          <p>{confirm}</p>
          <div class="buttons">
            <button type="button" onClick={() => dialog.current?.close()}>
              {t("cancel")}
            </button>
            <button type="button" class={kind ?? "primary"} onClick={run}>
              {children}
            </button>
          </div>
        </dialog>
      )}
    </div>
  );
}
