import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remembered.ts";

/** The language of the page: the person's choice, else the browser's. */

export const LANGUAGES = { en: "English", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

const isLanguage = (text: string | undefined): text is Language => text !== undefined && Object.hasOwn(LANGUAGES, text);

function initial(): Language {
  const chosen = remembered("language");
  if (isLanguage(chosen)) return chosen;
  return navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? "en";
}

export const language = signal<Language>(initial());

effect(() => {
  document.documentElement.lang = language.value;
});

export function choose(to: Language): void {
  language.value = to;
  remember("language", to);
}

type Facts = Readonly<Record<string, string | number>>;

/**
 * The words of one part of the page in every language. A word that lacks a language does not compile.
 *
 * @returns gives a word in the page's language; `{name}` in it is replaced by the fact of that name. What a newer API says, and this
 *   page has no word for, stands as it is.
 */
export function words<const K extends string>(texts: { en: Record<K, string>; ko: Record<NoInfer<K>, string> }) {
  return (key: K, facts: Facts = {}): string =>
    wordOf(texts[language.value], key).replaceAll(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? ""));
}

const wordOf = <K extends string>(texts: Partial<Record<K, string>>, key: K): string => texts[key] ?? key;
