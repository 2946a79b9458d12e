/** An opening: who comes when. */
export interface Event {
  /** People who ask in the first second, evenly spread over it. */
  readonly peak: number;
  /** People in all. Behind the first second they come ever fewer: by the same share less in each second, until a hundredth of the first. */
  readonly users: number;
  readonly stock: number;
  /** People who only look: each asks for a public document every few seconds. */
  readonly watchers: number;
}

/** The tail ends where it has fallen to this share of the first second. */
const END = 0.01;

/** How many have come until `seconds` after the opening. */
export function comeBy({ peak, users }: Event, seconds: number): number {
  const first = Math.min(peak, users);
  if (seconds <= 1) return first * Math.max(0, seconds);
  const rest = users - first;
  if (rest === 0) return users;
  const mean = rest / first / (1 - END);
  const come = Math.exp(-(seconds - 1) / mean);
  return come <= END ? users : first + (rest * (1 - come)) / (1 - END);
}
