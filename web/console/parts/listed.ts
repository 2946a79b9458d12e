import { askAsOperator } from "../session.ts";

/** As many rows as the API gives at once. */
const PAGE = 100;

interface Page<T> {
  readonly items: readonly T[];
  readonly cursor?: string | undefined;
}

/** Looks through an operator's list, page by page, for the first row that is wanted. @param path such as `/rooms` */
export async function findListed<T>(path: string, isWanted: (it: T) => boolean): Promise<T | undefined> {
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? "" : `&cursor=${cursor}`;
    const page = await askAsOperator<Page<T>>("GET", `${path}?limit=${PAGE}${query}`);
    const found = page.items.find(isWanted);
    if (found) return found;
    cursor = page.cursor;
  } while (cursor !== undefined);
  return undefined;
}
