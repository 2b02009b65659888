/* A table of one page of a list: arrows move, Enter opens, x selects. */
import { Button, Checkbox, Group, Table } from "@mantine/core";
import type { KeyboardEvent, ReactNode } from "react";

export interface Column<T> {
  key: string;
  title: string;
  show: (row: T) => ReactNode;
  /** Not on a phone. */
  wide?: boolean;
  number?: boolean;
}

export interface Selection {
  ids: ReadonlySet<string>;
  toggle: (id: string) => void;
  all: (ids: string[], on: boolean) => void;
}

function move(event: KeyboardEvent<HTMLElement>, selection: Selection | undefined) {
  const row = (event.target as HTMLElement).closest("tr");
  if (!row || (event.target as HTMLElement).matches("input:not([type=checkbox]), select, textarea")) return;
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key] as "nextElementSibling" | undefined;
  if (step) {
    row[step]?.querySelector<HTMLElement>("[data-row] a, [data-row] button")?.focus();
    event.preventDefault();
  } else if (event.key === "x" && selection && row.dataset.id) {
    selection.toggle(row.dataset.id);
    event.preventDefault();
  }
}

/** The first column holds the link that opens the row. */
export function Rows<T extends { id: string }>(given: {
  caption: string;
  rows: T[];
  columns: Column<T>[];
  selection?: Selection;
  /** What a row is called, for its box. */
  name?: (row: T) => string;
}) {
  const { caption, rows, columns, selection, name } = given;
  const ids = rows.map((row) => row.id);
  const chosen = ids.filter((id) => selection?.ids.has(id)).length;
  const look = (column: Column<T>) => [column.wide && "wide", column.number && "number"].filter(Boolean).join(" ") || undefined;
  return (
    <div className="table" tabIndex={0} role="region" aria-label={caption}>
      <Table verticalSpacing="xs" onKeyDown={(event) => move(event, selection)}>
        <Table.Thead>
          <Table.Tr>
            {selection && (
              <Table.Th w={44}>
                <Checkbox
                  aria-label="Select all of this page"
                  checked={chosen > 0 && chosen === ids.length}
                  indeterminate={chosen > 0 && chosen < ids.length}
                  onChange={(event) => selection.all(ids, event.currentTarget.checked)}
                />
              </Table.Th>
            )}
            {columns.map((column) => (
              <Table.Th key={column.key} className={look(column)} scope="col">
                {column.title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.id} data-id={row.id}>
              {selection && (
                <Table.Td>
                  <Checkbox
                    aria-label={`Select ${name?.(row) ?? row.id}`}
                    checked={selection.ids.has(row.id)}
                    onChange={() => selection.toggle(row.id)}
                  />
                </Table.Td>
              )}
              {columns.map((column, at) => (
                <Table.Td key={column.key} className={look(column)} data-row={at === 0 ? "" : undefined}>
                  {column.show(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

/** Below a page of a list. A cursor leads forward; back leads the browser's own button, as everywhere. */
export function Pages({ cursor, next, go }: { cursor: string | undefined; next: string | undefined; go: (cursor?: string) => void }) {
  if (!cursor && !next) return null;
  return (
    <Group mt="md" component="nav" aria-label="Pages">
      {cursor && (
        <Button variant="default" onClick={() => go()}>
          First page
        </Button>
      )}
      {next && (
        <Button variant="default" onClick={() => go(next)}>
          Next page
        </Button>
      )}
    </Group>
  );
}
