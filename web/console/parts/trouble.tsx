import { Problem, Unreachable } from "../api.ts";
import { t } from "../texts/shell.ts";

/** Why something is not there or was not done, in words that say what to do. */
export function Trouble({ of: error }: { of: unknown }) {
  return (
    <div class="trouble" role="alert" data-code={error instanceof Problem ? error.code : "unreachable"}>
      {textOf(error)}
    </div>
  );
}

function textOf(error: unknown) {
  if (error instanceof Unreachable) return t(error.mayHaveHappened ? "unheard" : "unreachable");
  if (!(error instanceof Problem)) return String(error);
  return (
    <>
      <strong>{error.code}</strong> {error.message}
      {error.issues.length > 0 && (
        <ul>
          {error.issues.map(({ path, message }) => (
            <li key={path + message}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {error.requestId && <small>{t("request", { id: error.requestId })}</small>}
    </>
  );
}
