import { words } from "../language.ts";

/** Words of all forms. */
export const t = words({
  en: { "not-sent": "Nothing was sent." },
  ko: { "not-sent": "아직 보내지 않았습니다." },
});
