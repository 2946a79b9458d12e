import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isTokenLike } from "../api.ts";
import { type FaultKind, type Issuer, isReturn, issuerOf, SignInFault } from "../issuer.ts";
import { go } from "../route.ts";
import { config, hasEnded, signIn } from "../session.ts";
import { t } from "../texts/sign-in.ts";

/** Signs an operator in, elsewhere than on the laptop: at the issuer where the console is known there, else with a token. */
export function SignIn() {
  const at = config.value && issuerOf(config.value);
  return (
    <section class="panel" data-panel="sign-in">
      <h1>{t("title")}</h1>
      {hasEnded.value && <p role="alert">{t("has-ended")}</p>}
      <p>{t("hint", { issuer: config.value?.issuer ?? "–" })}</p>
      {at ? (
        <>
          <AtIssuer at={at} />
          <details>
            <summary>{t("by-token")}</summary>
            <ByToken />
          </details>
        </>
      ) : (
        <ByToken />
      )}
    </section>
  );
}

function AtIssuer({ at }: { at: Issuer }) {
  const { host } = new URL(at.issuer);
  const step = useSignal<"idle" | "leaving" | "returning">(isReturn() ? "returning" : "idle");
  const fault = useSignal<{ kind: FaultKind; detail: string } | undefined>(undefined);

  /** With the library, which only those load who sign in. */
  const run = async (act: (oidc: typeof import("../oidc.ts")) => Promise<void>) => {
    fault.value = undefined;
    try {
      await act(await import("../oidc.ts"));
    } catch (error) {
      step.value = "idle";
      fault.value = faultOf(error);
    }
  };
  const begin = () => {
    step.value = "leaving";
    run((oidc) => oidc.begin(at));
  };
  useEffect(() => {
    if (step.value !== "returning") return;
    run(async (oidc) => {
      const { token, place } = await oidc.finish(at);
      signIn(token);
      if (place !== "") go(place);
    });
  }, []);
  return (
    <>
      <div class="buttons">
        <button type="button" class="primary" disabled={step.value !== "idle"} onClick={begin}>
          {t("at-issuer", { host })}
        </button>
      </div>
      <p role="status">
        {step.value === "leaving" && t("to-issuer", { host })}
        {step.value === "returning" && t("from-issuer")}
      </p>
      {fault.value && (
        <p role="alert" class="trouble" data-fault={fault.value.kind}>
          {t(fault.value.kind, { host, detail: fault.value.detail })}
        </p>
      )}
    </>
  );
}

/** What went wrong; the library itself may be what could not be loaded. */
function faultOf(error: unknown): { kind: FaultKind; detail: string } {
  if (error instanceof SignInFault) return { kind: error.kind, detail: error.message };
  return { kind: "unreachable", detail: error instanceof Error ? error.message : String(error) };
}

function ByToken() {
  const given = useSignal("");
  const isWrong = useSignal(false);
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        const token = given.value.trim().replace(/^Bearer\s+/i, "");
        isWrong.value = token !== "" && !isTokenLike(token);
        if (isTokenLike(token)) signIn(token);
      }}
    >
      <div class="field">
        <label for="token">{t("token")}</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          spellcheck={false}
          value={given.value}
          aria-invalid={isWrong.value}
          aria-describedby="token-hint"
          onInput={({ currentTarget }) => {
            given.value = currentTarget.value;
            isWrong.value = false;
          }}
        />
        <small class="hint" id="token-hint">
          {t("kept")}
        </small>
        {isWrong.value && (
          <p role="alert" class="trouble" data-fault="no-token">
            {t("no-token")}
          </p>
        )}
      </div>
      <div class="buttons">
        <button type="submit" class="primary">
          {t("sign-in")}
        </button>
      </div>
    </form>
  );
}
