import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { putBoard } from "../../../functions/contract/rankings.ts";
import { Problem } from "../api.ts";
import type { Board } from "../documents.ts";
import { Choice, Field, Form, numberIn, textIn } from "../parts/form.tsx";
import { findListed } from "../parts/listed.ts";
import { Panel } from "../parts/panel.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { WEIGHTED } from "../parts/weights.tsx";
import { refresh } from "../poll.ts";
import { go, to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/boards.ts";
import { t as shell } from "../texts/shell.ts";

type Rules = Pick<Board, "weights" | "halfLifeHours" | "size" | "category">;

/** What the form of a new board begins with. */
const START: Rules = {
  weights: { view: 1, like: 3, cart: 5, sale: 20, revenue: 0 },
  halfLifeHours: 24,
  size: 1_000,
};

/** Creates a board, or builds a new version of one beside the published one. */
export function BoardForm({ boardId }: { boardId: string | undefined }) {
  return boardId === undefined ? <New /> : <Change key={boardId} boardId={boardId} />;
}

function New() {
  return (
    <>
      <h1>{t("create")}</h1>
      <Panel title={t("create")} name="board-form">
        <Fields before={START} board={undefined} />
      </Panel>
    </>
  );
}

function Change({ boardId }: { boardId: string }) {
  const board = useSignal<Board | undefined>(undefined);
  const trouble = useSignal<unknown>(undefined);
  useEffect(() => {
    find(boardId).then(
      (it) => {
        board.value = it;
      },
      (error) => {
        trouble.value = error;
      },
    );
  }, []);
  const title = t("change_board", { id: boardId });
  const it = board.value;
  return (
    <>
      <h1>{title}</h1>
      <Panel title={title} name="board-form">
        {it?.next && <p class="quiet">{t("replaces-next", { version: it.next.version })}</p>}
        {it && <Fields before={it.next ?? it} board={it} />}
        {trouble.value !== undefined && <Trouble of={trouble.value} />}
        {!it && trouble.value === undefined && <p class="quiet">{shell("loading")}</p>}
      </Panel>
    </>
  );
}

const pathOf = (boardId: string) => `/boards/${encodeURIComponent(boardId)}`;
const find = (boardId: string) => askAsOperator<Board>("GET", pathOf(boardId));
/** The board's versions, as long as nobody begins or publishes another. */
const versionsOf = ({ version, next }: Board) => `${version} ${next?.version}`;

function Fields({ before, board }: { before: Rules; board: Board | undefined }) {
  const boardId = board?.boardId;
  const seen = useRef(board && versionsOf(board));
  const id = useSignal("");
  const view = useSignal(String(before.weights.view));
  const like = useSignal(String(before.weights.like));
  const cart = useSignal(String(before.weights.cart));
  const sale = useSignal(String(before.weights.sale));
  const revenue = useSignal(String(before.weights.revenue));
  const weights = { view, like, cart, sale, revenue };
  const halfLifeHours = useSignal(String(before.halfLifeHours));
  const size = useSignal(String(before.size));
  const category = useSignal(before.category ?? "");
  const takesOver = useSignal("false");
  const body = () => ({
    weights: Object.fromEntries(WEIGHTED.map((it) => [it, numberIn(weights[it].value)])),
    halfLifeHours: numberIn(halfLifeHours.value),
    size: numberIn(size.value),
    category: textIn(category.value),
  });
  const name = () => boardId ?? id.value.trim();
  /** A version that another operator has begun since the form was opened is replaced by nobody who has not heard of it. */
  const refuseChanged = async (id: string) => {
    const now = await find(id);
    if (versionsOf(now) === seen.current) return;
    seen.current = versionsOf(now);
    const detail = t("changed-meanwhile", { version: now.next?.version ?? now.version });
    throw new Problem(409, { code: "conflict", detail }, null);
  };
  const send = async (rules: unknown) => {
    if (boardId === undefined) await refuseExisting(name());
    else await refuseChanged(boardId);
    const query = boardId === undefined ? "" : `?switch=${takesOver.value}`;
    await askAsOperator("PUT", `${pathOf(name())}${query}`, { body: rules });
    await refresh("/boards");
    go(to("boards", name()));
  };
  return (
    <Form
      schema={putBoard.body}
      params={{ schema: putBoard.params, of: () => ({ boardId: name() }) }}
      body={body}
      send={send}
      submit={t(boardId === undefined ? "create-it" : "build-it")}
    >
      {(wrong) => (
        <>
          {boardId === undefined && (
            <Field name="boardId" label={t("id")} value={id} wrong={wrong} hint={t("id-hint")} />
          )}
          <fieldset class="group">
            <legend>{t("weights")}</legend>
            <p class="quiet">{t("weights-hint")}</p>
            <div class="fields">
              {WEIGHTED.map((it) => (
                <Field
                  key={it}
                  name={`weights.${it}`}
                  label={t(it)}
                  value={weights[it]}
                  wrong={wrong}
                  type="number"
                  hint={t(`${it}-hint`)}
                />
              ))}
            </div>
          </fieldset>
          <Field
            name="halfLifeHours"
            label={t("half-life-field")}
            value={halfLifeHours}
            wrong={wrong}
            type="number"
            hint={t("half-life-hint")}
          />
          <Field name="size" label={t("size")} value={size} wrong={wrong} type="number" hint={t("size-hint")} />
          <Field name="category" label={t("category")} value={category} wrong={wrong} hint={t("category-hint")} />
          {boardId !== undefined && (
            <Choice
              name="switch"
              label={t("when-built")}
              value={takesOver}
              options={[
                ["false", t("then-compare")],
                ["true", t("then-switch")],
              ]}
              hint={t("then-hint")}
            />
          )}
        </>
      )}
    </Form>
  );
}

/** A new board must not become a new version of one that is there, which it would be to the API. */
async function refuseExisting(boardId: string): Promise<void> {
  if (!(await findListed<Board>("/boards", (it) => it.boardId === boardId))) return;
  const detail = t("exists", { id: boardId });
  throw new Problem(409, { code: "exists", detail, issues: [{ in: "path", path: "boardId", message: detail }] }, null);
}
