import { Problem, Unreachable } from "../api.ts";
import { kindly } from "../texts/shop.ts";
import type { Why } from "./attempt.ts";

/** The API's word for why something did not go. Whatever is neither a refusal nor silence is a fault of the page. */
export function whyOf(error: unknown): Why {
  if (error instanceof Unreachable) return "unreachable";
  if (error instanceof Problem) return error.code;
  throw error;
}

/** The same as a sentence for people. */
export const sentenceOf = (error: unknown): string => kindly(whyOf(error));
