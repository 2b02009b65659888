/* A file is dropped anywhere on the page, or chosen, and looked at before it is sent. */
import { Button, Checkbox, Group, NativeSelect, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { FORMATS } from "../ui/Download";
import { Problem } from "../ui/parts";
import { begin, CONFLICTS, type Format, type Rules } from "./import";

const HEAD_BYTES = 4096;
const HEAD_LINES = 5;
const LINE_CHARS = 160;

interface Chosen {
  file: File;
  head: string[];
}

/** Of a folder, or a file that is gone by now, nothing can be read. */
async function look(file: File): Promise<Chosen & { format: Format }> {
  const text = await file.slice(0, HEAD_BYTES).text();
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/, HEAD_LINES);
  return {
    file,
    head: lines.map((line) => (line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line)),
    format: /^\uFEFF?\s*\{/.test(text) ? "ndjson" : "csv",
  };
}

function useDrop(take: (files: FileList) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
    const drag = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault(); // else the browser would open the file in the place of this page
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) take(event.dataTransfer.files);
    };
    const gone = new AbortController();
    document.addEventListener("dragover", drag, gone);
    document.addEventListener("dragleave", leave, gone);
    document.addEventListener("drop", drop, gone);
    return () => gone.abort();
  });
  return over;
}

export function FileField({ label, take }: { label: string; take: (file: File) => Promise<void> | void }) {
  const [fault, setFault] = useState("");
  const takeAll = (files: FileList) => {
    const file = files[0];
    if (!file) return;
    if (files.length > 1) return setFault("One file at a time, please.");
    if (file.size === 0) return setFault(`${file.name} is empty.`);
    setFault("");
    void Promise.resolve(take(file)).catch(() => setFault(`${file.name} cannot be read.`));
  };
  const over = useDrop(takeAll);
  return (
    <div>
      <label className="drop" data-over={over || undefined}>
        <span>
          <b>{label}</b>, or drop it anywhere on this page. CSV with a line of names, or NDJSON; UTF-8.
        </span>
        <input
          type="file"
          accept=".csv,.ndjson,.jsonl,.json,.txt,text/csv,application/x-ndjson"
          onChange={(event) => {
            if (event.currentTarget.files) takeAll(event.currentTarget.files);
            event.currentTarget.value = ""; // the same one may be chosen again
          }}
        />
      </label>
      {fault && (
        <Text role="alert" c="red" size="sm">
          {fault}
        </Text>
      )}
    </div>
  );
}

const size = (bytes: number) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** How what a line holds is called. */
export function Names() {
  return (
    <Text size="sm">
      Names are those of the API: <code>email</code> in every file, and those that you want of <code>externalId</code>, <code>fullName</code>,{" "}
      <code>taxDocument</code>, <code>timezone</code>, <code>address</code> and <code>metadata</code>. What is exported here can be imported.
    </Text>
  );
}

export function NewImport() {
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [rules, setRules] = useState<Rules>({ format: "csv", onConflict: "skip", dryRun: false, keepCreatedAt: false });
  const navigate = useNavigate();
  const run = useMutation({
    mutationFn: (file: File) => begin(rules, file),
    onSuccess: ({ id }) => navigate({ to: "/imports/$id", params: { id } }),
  });
  const take = async (file: File) => {
    const { format, ...looked } = await look(file);
    setRules((before) => ({ ...before, format }));
    setChosen(looked);
    run.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (chosen) run.mutate(chosen.file);
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <FileField label={chosen ? "Choose another file" : "Choose a file"} take={take} />
        <Names />
        {chosen && (
          <>
            <div>
              <Text size="sm">
                <b>{chosen.file.name}</b>, {size(chosen.file.size)}. It begins with:
              </Text>
              <pre className="json sheet" tabIndex={0} aria-label="The first lines">
                {chosen.head.join("\n")}
              </pre>
            </div>
            <Group align="end">
              <NativeSelect label="Format" value={rules.format} onChange={(event) => setRules({ ...rules, format: event.currentTarget.value as Format })}>
                {Object.entries(FORMATS).map(([value, { title }]) => (
                  <option key={value} value={value}>
                    {title}
                  </option>
                ))}
              </NativeSelect>
              <NativeSelect
                label="If a customer has the external id already"
                value={rules.onConflict}
                onChange={(event) => setRules({ ...rules, onConflict: event.currentTarget.value as Rules["onConflict"] })}
                data={Object.entries(CONFLICTS).map(([value, label]) => ({ value, label }))}
              />
            </Group>
            <Checkbox
              label="Keep createdAt and updatedAt of the file"
              checked={rules.keepCreatedAt}
              onChange={(event) => setRules({ ...rules, keepCreatedAt: event.currentTarget.checked })}
            />
            <Checkbox
              label="Dry run: say what would be done, and write nothing"
              checked={rules.dryRun}
              onChange={(event) => setRules({ ...rules, dryRun: event.currentTarget.checked })}
            />
            {run.error && <Problem error={run.error} />}
            <Group>
              <Button type="submit" loading={run.isPending}>
                {rules.dryRun ? "Start the dry run" : "Start the import"}
              </Button>
            </Group>
          </>
        )}
      </Stack>
    </form>
  );
}
