/* Metadata, one row for each key. Values are kept as they are written: a number of 30 digits stays one. */
import { Button, Group, NativeSelect, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useRef, useState, type FormEvent } from "react";
import { fromMembers, indented, isJson, members } from "../api/text";
import { Problem } from "../ui/parts";
import { Conflict } from "./Conflict";
import { changeMetadata, type Shown } from "./customer";
import { useSave } from "./Details";

interface Row {
  id: number;
  key: string;
  kind: "text" | "json";
  /** The text itself, or the JSON as it is written. */
  value: string;
}

let numbers = 0;
const toRow = ([key, value]: [string, string]): Row =>
  value.startsWith('"')
    ? { id: ++numbers, key, kind: "text", value: JSON.parse(value) as string }
    : { id: ++numbers, key, kind: "json", value: indented(value) };
const toText = (rows: Row[]) =>
  fromMembers(rows.map(({ key, kind, value }): [string, string] => [key, kind === "text" ? JSON.stringify(value) : value.trim()]));

function faultOfRow(row: Row, rows: Row[]): { key?: string; value?: string } {
  return {
    key: rows.some((other) => other.id !== row.id && other.key === row.key) ? "There is this key twice." : undefined,
    value: row.kind === "json" && !isJson(row.value) ? "This is not JSON: a text stands in quotes, or is of the kind Text." : undefined,
  };
}

export function Metadata({ shown, editable }: { shown: Shown; editable: boolean }) {
  const [rows, setRows] = useState<Row[] | null>(null);
  const [tried, setTried] = useState(false);
  const etag = useRef("");
  const { run, now, stop } = useSave<string>(
    shown.customer.id,
    (text, tag) => changeMetadata(shown.customer.id, text, tag),
    () => setRows(null),
  );
  const pairs = members(shown.metadata);
  const begin = () => {
    etag.current = shown.etag;
    run.reset();
    setTried(false);
    setRows(pairs.length > 0 ? pairs.map(toRow) : [{ id: ++numbers, key: "", kind: "text", value: "" }]);
  };
  const save = (event?: FormEvent) => {
    event?.preventDefault();
    if (!rows) return;
    setTried(true);
    const kept = rows.filter(({ key, value }) => key !== "" || value !== "");
    if (kept.some((row) => Object.values(faultOfRow(row, kept)).some(Boolean))) return;
    run.mutate({ value: toText(kept), etag: now?.etag ?? etag.current });
  };
  const put = (id: number, change: Partial<Row>) => setRows((rows ?? []).map((row) => (row.id === id ? { ...row, ...change } : row)));
  return (
    <section className="section" aria-labelledby="metadata">
      <div className="head">
        <h2 id="metadata">Metadata</h2>
        {editable && rows === null && (
          <Button size="compact-sm" variant="subtle" onClick={begin} aria-label="Edit Metadata">
            Edit
          </Button>
        )}
      </div>
      {rows === null && pairs.length === 0 && (
        <Text size="sm" c="dimmed">
          None. Keys and values of your own stand here, as they are written.
        </Text>
      )}
      {rows === null && pairs.length > 0 && (
        <dl className="facts">
          {pairs.map(([key, value]) => [
            <dt key={key}>{key}</dt>,
            <dd key={`${key} `}>
              <pre className="json">{value.startsWith('"') ? (JSON.parse(value) as string) : indented(value)}</pre>
            </dd>,
          ])}
        </dl>
      )}
      {rows && (
        <form onSubmit={save} noValidate>
          <Stack gap="sm">
            {rows.map((row, at) => {
              const faults = tried ? faultOfRow(row, rows) : {};
              return (
                <div className="rows" key={row.id}>
                  <TextInput
                    aria-label={`Key ${at + 1}`}
                    placeholder="Key"
                    autoFocus={at === rows.length - 1}
                    value={row.key}
                    error={faults.key}
                    onChange={(event) => put(row.id, { key: event.currentTarget.value })}
                  />
                  <NativeSelect
                    aria-label={`Kind of value ${at + 1}`}
                    value={row.kind}
                    onChange={(event) => put(row.id, { kind: event.currentTarget.value as Row["kind"] })}
                  >
                    <option value="text">Text</option>
                    <option value="json">JSON</option>
                  </NativeSelect>
                  <Textarea
                    aria-label={`Value ${at + 1}`}
                    placeholder={row.kind === "text" ? "Text" : "A number, true, a list ..."}
                    rows={Math.min(8, row.value.split("\n").length)}
                    value={row.value}
                    error={faults.value}
                    onChange={(event) => put(row.id, { value: event.currentTarget.value })}
                  />
                  <Button variant="default" onClick={() => setRows(rows.filter(({ id }) => id !== row.id))} aria-label={`Remove ${row.key || `row ${at + 1}`}`}>
                    Remove
                  </Button>
                </div>
              );
            })}
            {now && (
              <Conflict theirs={now.metadata} mine={toText(rows)} takeTheirs={stop} saveMine={() => save()} busy={run.isPending} />
            )}
            {run.error && !now && <Problem error={run.error} />}
            <Group gap="xs">
              <Button variant="default" onClick={() => setRows([...rows, { id: ++numbers, key: "", kind: "text", value: "" }])}>
                Add a key
              </Button>
              <span className="grow" />
              <Button variant="default" onClick={stop}>
                Cancel
              </Button>
              {!now && (
                <Button type="submit" loading={run.isPending}>
                  Save
                </Button>
              )}
            </Group>
          </Stack>
        </form>
      )}
    </section>
  );
}
