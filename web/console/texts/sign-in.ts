import { words } from "../language.ts";

/** Words of signing in, elsewhere than on the laptop. */
export const t = words({
  en: {
    title: "Sign in",
    hint: "The API takes tokens of {issuer} with the scope “operator”.",
    "at-issuer": "Sign in at {host}",
    "to-issuer": "Going to {host} …",
    "from-issuer": "Signing in …",
    "has-ended": "Your sign-in has ended, or the API does not take it. Sign in again: you come back to where you are.",
    "by-token": "Sign in with a token",
    token: "Operator's token",
    kept: "It stays in this tab until the tab is closed, and is sent to this API only.",
    "sign-in": "Sign in",
    refused: "{host} did not sign you in: {detail}",
    foreign: "That answer does not belong to a sign-in that began in this tab. Sign in again.",
    unreachable: "{host} could not be reached, or does not let this page ask it: {detail}",
    unfit: "{host} answered with something that cannot be used: {detail}",
    forgetful: "This browser keeps nothing for this page, which signing in at {host} needs. Allow it, or use a token.",
    "no-token": "This is no token: a token has only letters, digits and signs of ASCII, and no blanks.",
  },
  ko: {
    title: "로그인",
    hint: "API는 {issuer}에서 발급하고 “operator” 범위가 있는 토큰을 받습니다.",
    "at-issuer": "{host}에서 로그인",
    "to-issuer": "{host}(으)로 이동하는 중 …",
    "from-issuer": "로그인하는 중 …",
    "has-ended": "로그인이 끝났거나 API가 받지 않습니다. 다시 로그인하시면 지금 화면으로 돌아옵니다.",
    "by-token": "토큰으로 로그인",
    token: "운영자 토큰",
    kept: "탭을 닫을 때까지 이 탭에만 남고, 이 API로만 보냅니다.",
    "sign-in": "로그인",
    refused: "{host}에서 로그인하지 못했습니다: {detail}",
    foreign: "이 탭에서 시작한 로그인의 응답이 아닙니다. 다시 로그인해 주세요.",
    unreachable: "{host}에 연결할 수 없거나 이 페이지의 요청을 허용하지 않습니다: {detail}",
    unfit: "{host}의 응답을 사용할 수 없습니다: {detail}",
    forgetful:
      "이 브라우저가 이 페이지의 저장을 막고 있어 {host}에서 로그인할 수 없습니다. 저장을 허용하거나 토큰을 사용해 주세요.",
    "no-token": "토큰이 아닙니다. 토큰에는 공백 없이 ASCII 문자, 숫자와 기호만 들어갑니다.",
  },
});
