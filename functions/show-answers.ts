import { limits } from "../core/limits.ts";
import { answers } from "../core/operations/answers.ts";
import { isRefusal } from "../core/words.ts";
import { showAnswers } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { answersView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { metrics } from "./stores/metrics.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, table, metrics };

export const handler = endpoint(showAnswers, async ({ params, query }) => {
  const result = await answers(ctx, params.campaignId, query.seconds ?? limits.answerSecondsDefault);
  return isRefusal(result) ? result : { word: result.word, body: answersView(result.answers) };
});
