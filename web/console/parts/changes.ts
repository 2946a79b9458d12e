/** What somebody has changed in a form, put over what stands there now: another operator may have changed something else meanwhile. */

const isFields = (it: unknown): it is Readonly<Record<string, unknown>> => typeof it === "object" && it !== null;
const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** Whether what stands in the fields says the same as when the form was opened. */
export const isUntouched = isSame;

/**
 * @param now as it stands, read anew
 * @param was what the form said when it was opened
 * @param is what it says
 */
export function withChanges(now: object, was: object, is: object): Readonly<Record<string, unknown>> {
  const before: Readonly<Record<string, unknown>> = { ...was };
  const merged: Record<string, unknown> = { ...now };
  for (const [name, value] of Object.entries(is)) {
    if (isSame(before[name], value)) continue;
    const [there, then] = [merged[name], before[name]];
    merged[name] = isFields(there) && isFields(then) && isFields(value) ? withChanges(there, then, value) : value;
  }
  return merged;
}
