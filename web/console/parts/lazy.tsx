import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../texts/shell.ts";

/** A part of the console that is loaded when it is first shown, so that the first visit need not wait for it. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const state = useSignal<"loading" | "loaded" | "failed">(loaded ? "loaded" : "loading");
    useEffect(() => {
      if (loaded) return;
      load().then(
        (it) => {
          loaded = it;
          state.value = "loaded";
        },
        () => {
          state.value = "failed";
        },
      );
    }, []);
    if (state.value === "loaded" && loaded) {
      const It = loaded;
      return <It {...props} />;
    }
    if (state.value === "failed") return <p role="alert">{t("part-missing")}</p>;
    return <p class="quiet">{t("loading")}</p>;
  };
}
