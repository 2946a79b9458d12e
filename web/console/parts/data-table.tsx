import type { ComponentChildren } from "preact";

export interface Column {
  readonly label: string;
  /** Whether numbers stand in it, which are read from the right. */
  readonly isNumber?: boolean;
}

export interface DataTableProps {
  /** What the table shows, for those who do not see the heading above it. */
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The body's rows. */
  readonly children: ComponentChildren;
}

/** So much room each column has at the least, in rem: on a narrow page the table is scrolled, and no word is cut in pieces. */
const COLUMN_REM = 5.5;

/** A table that a narrow page scrolls sideways, also by keyboard. */
export function DataTable({ caption, columns, children }: DataTableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    // biome-ignore lint/a11y/useSemanticElements: no form's fields are grouped here
    <div role="group" class="scroll" aria-label={caption} tabIndex={0}>
      <table style={`min-width: ${COLUMN_REM * columns.length}rem`}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th key={label} scope="col" class={isNumber ? "number" : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
