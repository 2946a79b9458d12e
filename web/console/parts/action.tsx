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
  /** Where it is a form's own button: Enter in the form presses it too. */
  readonly isSubmit?: boolean;
}

/** A button that does something at the API: busy while it does, asks first where told to, and says how it went. */
export function Action({ children, act, confirm, done, kind, disabled, isSubmit }: ActionProps) {
  const state = useSignal<"idle" | "busy" | "done">("idle");
  const trouble = useSignal<unknown>(undefined);
  const dialog = useRef<HTMLDialogElement>(null);
  const isBusy = state.value === "busy";
  const isOff = disabled === true || isBusy;

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
  const press = () => {
    if (isOff) return;
    if (confirm === undefined) run();
    else dialog.current?.showModal();
  };
  return (
    <div class="action">
      <button
        type={isSubmit ? "submit" : "button"}
        class={kind}
        // A button that is `disabled` would lose the focus of whoever has just pressed it.
        aria-disabled={isOff}
        aria-busy={isBusy}
        onClick={press}
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
